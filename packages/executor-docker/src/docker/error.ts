import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf } from '@ritmo/host-linux';

/** A call that the daemon refused, or that did not reach it. */
export class DockerError extends Error {
  /** HTTP status of the daemon's answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Code of the system's error where the daemon was not reached (`ECONNREFUSED`). */
  readonly errno: string | undefined;

  constructor(message: string, options: { status?: number; errno?: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'DockerError';
    this.status = options.status;
    this.errno = options.errno;
  }

  static from(error: unknown): DockerError {
    if (error instanceof DockerError) return error;
    const { statusCode, json, code, message } = error as {
      statusCode?: number;
      json?: { message?: string };
      code?: string;
      message?: string;
    };
    return new DockerError(json?.message ?? message ?? String(error), {
      ...(typeof statusCode === 'number' ? { status: statusCode } : {}),
      ...(typeof code === 'string' ? { errno: code } : {}),
      cause: error,
    });
  }

  /** Whether the daemon gave no answer at all. */
  get unreached(): boolean {
    return this.status === undefined;
  }
}

/** Any failure of this package as an error of the contract; what is none of the daemon's stays what it is. */
export function asRitmoError(error: unknown): unknown {
  if (!(error instanceof DockerError)) return isFull(error) ? full(error) : error;
  const options = { cause: error };
  if (error.unreached) {
    const why = error.errno ?? error.message;
    return new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The Docker daemon does not answer (${why}).`, options);
  }
  const said = error.message.slice(0, 400);
  if (/no space left/i.test(said))
    return new RitmoError('RITMO_DISK_FULL', 'The disk of the Docker daemon is full.', options);
  return new RitmoError('RITMO_SANDBOX_BROKEN', `The Docker daemon refused a call: ${said}`, options);
}

/** What a system call says where the folders of jobs lie, or a program that it started. */
function isFull(error: unknown): error is Error {
  if (error instanceof RitmoError || !(error instanceof Error)) return false;
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '') || /no space left on device/i.test(error.message);
}

function full(error: Error): RitmoError {
  return new RitmoError('RITMO_DISK_FULL', 'The disk of the worker has no room for the folders of the job.', {
    cause: error,
  });
}
