import { type Code, codes } from '@ritmo/protocol/codes';

const brand = Symbol.for('ritmo.error');

/** HTTP status of each code that this server answers; 400 for the others. */
const statuses: Partial<Record<Code, number>> = {
  RITMO_UNAUTHORIZED: 401,
  RITMO_FORBIDDEN: 403,
  RITMO_NOT_FOUND: 404,
  RITMO_CONFLICT: 409,
  RITMO_FENCED: 409,
  RITMO_SEALED: 409,
  RITMO_NAME_TAKEN: 409,
  RITMO_SUPERSEDED: 409,
  RITMO_LOG_MISMATCH: 412,
  RITMO_ARTIFACT_UPLOAD: 412,
  RITMO_TOO_LARGE: 413,
  RITMO_ARTIFACT_LIMIT: 413,
  RITMO_LOG_GAP: 416,
  RITMO_PROTOCOL_VERSION: 426,
  RITMO_RATE_LIMITED: 429,
  RITMO_INTERNAL: 500,
  RITMO_UNAVAILABLE: 503,
  RITMO_DISK_FULL: 507,
};

export interface ApiErrorOptions {
  /** Where it is not the usual one of the code. */
  readonly status?: number;
  readonly hint?: string;
  readonly retryable?: boolean;
  /** Offset that is wanted next, for 412 and 416 of the log. */
  readonly next?: number;
  readonly cause?: unknown;
}

/** An error as the server answers it. Also `instanceof RitmoError` of @ritmo/agent-core: match on `code`. */
export class ApiError extends Error {
  /** What to match on. */
  readonly code: Code;
  /** Of the answer, as HTTP has it. */
  readonly status: number;
  /** What to do about it, in a sentence. */
  readonly hint: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Offset of the log that is wanted next; with 412 and 416 alone. */
  readonly next: number | undefined;

  constructor(code: Code, message: string, options: ApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? statuses[code] ?? 400;
    this.hint = options.hint ?? codes[code].hint;
    this.retryable = options.retryable ?? codes[code].retryable;
    this.next = options.next;
  }

  /** `RitmoError`, as that of the agent. */
  override get name(): string {
    return 'RitmoError';
  }

  /** Makes it an `instanceof` of the other. */
  get [brand](): true {
    return true;
  }
}

/** The error of a call that came too late: another attempt holds the job, or none does. */
export function fenced(jobId: string, epoch: number): ApiError {
  return new ApiError('RITMO_FENCED', `Attempt ${epoch} no longer holds job ${jobId}.`);
}

export function notFound(what: string): ApiError {
  return new ApiError('RITMO_NOT_FOUND', `There is no ${what}.`);
}

/** True for the errors of file system and database that say: no room. */
export function isDiskFull(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL';
}
