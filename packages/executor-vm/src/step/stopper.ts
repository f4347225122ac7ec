import { type CancelCause, causeOf, type Clock, type Stopped, type StepScope } from '@ritmo/agent-core/executor';
import type { Control } from '../machine/control.js';

const lookMs = 20;
/** After a kill the guest has so long to say that the step has ended; then the machine is ended. */
const deafMs = 20_000;

/**
 * Stops a step when its signal is aborted: the stop signal to all of it, then, when the grace is over, the kill. The
 * guest keeps the step open while something of it still has its grace. A step that ends before a signal has reached it
 * was not stopped.
 */
export class Stopper {
  readonly #control: Control;
  readonly #scope: StepScope;
  readonly #clock: Clock;
  readonly #started: () => boolean;
  readonly #over = new AbortController();
  #cause: CancelCause | undefined;
  #reached = false;
  #forced = false;
  #deaf: () => void = () => undefined;
  /** Resolves when the guest does not even answer to a kill. */
  readonly deaf = new Promise<void>((resolve) => (this.#deaf = resolve));

  constructor(control: Control, scope: StepScope, clock: Clock, started: () => boolean) {
    this.#control = control;
    this.#scope = scope;
    this.#clock = clock;
    this.#started = started;
    scope.signal.addEventListener('abort', this.#onAbort, { once: true });
    if (scope.signal.aborted) this.#onAbort();
  }

  /** Called when the step has ended; tells how it was stopped, or undefined when it ended by itself. */
  finish(): Stopped | undefined {
    this.#scope.signal.removeEventListener('abort', this.#onAbort);
    this.#over.abort('the step has ended');
    if (this.#cause === undefined || !(this.#reached || this.#forced)) return undefined;
    return { cause: this.#cause, forced: this.#forced };
  }

  readonly #onAbort = (): void => {
    this.#cause = causeOf(this.#scope.signal);
    this.#climb(this.#cause).catch(() => undefined);
  };

  async #climb(cause: CancelCause): Promise<void> {
    const { signal } = this.#over;
    const until = this.#clock.monotonic() + (cause.graceMs ?? this.#scope.stop.graceMs);
    const left = () => until - this.#clock.monotonic();
    void this.#kill(left());
    // Not before the program runs: what starts it would swallow the signal.
    while (!signal.aborted && !this.#reached && left() > 0) {
      if (this.#started()) {
        this.#reached = (await this.#control.stop(this.#scope.stop.signal.replace(/^SIG/, ''))) > 0;
      }
      if (!this.#reached) await this.#clock.sleep(Math.max(1, Math.min(lookMs, left())), signal);
    }
  }

  async #kill(afterMs: number): Promise<void> {
    const { signal } = this.#over;
    try {
      await this.#clock.sleep(Math.max(0, afterMs), signal);
      this.#forced = true;
      const since = this.#clock.monotonic();
      for (let pause = lookMs; this.#clock.monotonic() - since < deafMs; pause = Math.min(pause * 2, 1_000)) {
        // Not awaited: a guest that says nothing is dealt with below.
        this.#control.stop('KILL').catch(() => undefined);
        await this.#clock.sleep(pause, signal);
      }
      this.#deaf();
    } catch {
      // The step has ended.
    }
  }
}
