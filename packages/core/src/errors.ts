import { type Code, codes, isCode } from '@ritmo/protocol/codes';

const brand = Symbol.for('ritmo.error');

/** What an error can say beside its code and its sentence. */
export interface RitmoErrorOptions {
  /** What it came from; for logs. */
  readonly cause?: unknown;
  /** What the person who reads it can do; the hint of the code where absent. */
  readonly hint?: string;
  /** The default of the code where absent. */
  readonly retryable?: boolean;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** Every error that leaves a Ritmo package. Match on `code`, never on the message. */
export class RitmoError extends Error {
  static {
    // A bundler may call the class otherwise, and Node shows an error that nobody caught by that name.
    Object.defineProperty(this, 'name', { value: 'RitmoError' });
  }

  /** What went wrong, the same in every version. */
  readonly code: Code;
  /** True when the same request may succeed later, on this agent or another one. */
  readonly retryable: boolean;
  /** What the person who reads it can do. */
  readonly hint: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, message: string, options: RitmoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? codes[code].retryable;
    this.hint = options.hint ?? codes[code].hint;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** `RitmoError`, of every copy of this package. */
  override get name(): string {
    return 'RitmoError';
  }

  /** By this the errors of every copy of this package are known. */
  get [brand](): true {
    return true;
  }

  /** True for errors of another copy of this package too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }

  /** The error itself when it is ours; otherwise wrapped, with its message kept. */
  static from(error: unknown, code: Code = 'RITMO_INTERNAL'): RitmoError {
    if (error instanceof RitmoError) return error;
    return new RitmoError(code, error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export { type Code, codes, isCode };
