import type { Clock } from './host.js';
import type { CancelCause } from './request.js';
import type { StepScope } from './sandbox.js';

/** How a command was stopped, once it was. */
export interface Stopped {
  /** Why. */
  readonly cause: CancelCause;
  /** Whether it had to be killed. */
  readonly forced: boolean;
}

/** A command that runs, as a stop sees it; what only serves to run it is not counted. */
export interface StopTarget<Process = unknown> {
  /** What runs of the command now. */
  running(): readonly Process[];
  /**
   * Sends the stop signal to these; whether it reached one. False where it would reach nobody yet, as before the
   * program itself runs: it is then sent again.
   */
  signal(running: readonly Process[], signal: StepScope['stop']['signal']): boolean | Promise<boolean>;
  /** Ends everything at once. */
  kill(): void | Promise<void>;
}

const firstLookMs = 2;
const slowestLookMs = 50;

/**
 * Stops a command when the signal of its scope is aborted: the stop signal to every process of it, then, when the
 * grace is over or nothing of them is left, the kill. A command that ends before a signal has reached it was not stopped.
 */
export class Stopper<Process = unknown> {
  readonly #target: StopTarget<Process>;
  readonly #scope: Pick<StepScope, 'signal' | 'stop'>;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #begun: CancelCause | undefined;
  #reached = false;
  #forced = false;
  #ladder: Promise<void> | undefined;
  #resolveKilled: () => void = () => undefined;
  /** Resolves when it has killed; then the end of the command need not be waited for any longer. */
  readonly killed = new Promise<void>((resolve) => (this.#resolveKilled = resolve));

  constructor(target: StopTarget<Process>, scope: Pick<StepScope, 'signal' | 'stop'>, clock: Clock) {
    this.#target = target;
    this.#scope = scope;
    this.#clock = clock;
    scope.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (scope.signal.aborted) this.#onAbort();
  }

  /** Whether a stop is under way. */
  get begun(): boolean {
    return this.#begun !== undefined;
  }

  /** Called when the command has ended; tells how it was stopped, or undefined when it ended by itself. */
  async finish(): Promise<Stopped | undefined> {
    this.#scope.signal.removeEventListener('abort', this.#onAbort);
    this.#ended.abort('the command has ended');
    await this.#ladder;
    if (this.#begun === undefined || !this.#reached) return undefined;
    return { cause: this.#begun, forced: this.#forced };
  }

  readonly #onAbort = (): void => {
    this.#begun = causeOf(this.#scope.signal);
    this.#ladder = this.#climb(this.#begun);
    this.#ladder.catch(() => undefined);
  };

  async #climb(cause: CancelCause): Promise<void> {
    const until = this.#clock.monotonic() + (cause.graceMs ?? this.#scope.stop.graceMs);
    let look = firstLookMs;
    while (!this.#ended.signal.aborted) {
      const running = this.#target.running();
      if (this.#reached && running.length === 0) break;
      const left = until - this.#clock.monotonic();
      if (left <= 0) {
        this.#forced = true;
        break;
      }
      if (!this.#reached && running.length > 0) {
        this.#reached = await this.#target.signal(running, this.#scope.stop.signal);
      }
      await this.#pause(Math.min(look, left));
      look = Math.min(look * 2, slowestLookMs);
    }
    if (this.#ended.signal.aborted) return;
    this.#reached = true;
    await this.#target.kill();
    this.#resolveKilled();
  }

  async #pause(ms: number): Promise<void> {
    try {
      await this.#clock.sleep(ms, this.#ended.signal);
    } catch (error) {
      if (!this.#ended.signal.aborted) throw error;
    }
  }
}

/** What core said when it aborted; an abort without a cause counts as the user's. */
export function causeOf(signal: AbortSignal): CancelCause {
  const reason: unknown = signal.reason;
  if (typeof reason === 'object' && reason !== null && 'reason' in reason && typeof reason.reason === 'string') {
    return reason as CancelCause;
  }
  return { reason: 'user' };
}
