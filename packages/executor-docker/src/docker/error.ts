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
