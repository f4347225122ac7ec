import { type Code, codes, isCode } from '@ritmo/protocol/codes';

const brand = Symbol.for('ritmo.error');

export interface RitmoErrorOptions {
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
  readonly code: Code;
  /** True when the same request may succeed later, on this agent or another one. */
  readonly retryable: boolean;
  readonly hint: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, message: string, options: RitmoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? codes[code].retryable;
    this.hint = options.hint ?? codes[code].hint;
    this.retryAfterMs = options.retryAfterMs;
  }

  override get name(): string {
    return 'RitmoError';
  }

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
