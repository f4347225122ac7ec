/** Why no jobs are claimed: the agent's own state, or its health. */
export type ClaimHold = 'agent' | 'health';

/**
 * Runs the claim loop while nothing holds it back. One loop at a time: the next begins when the offers of the one
 * before have gone back.
 */
export class Claiming {
  readonly #loop: (signal: AbortSignal) => Promise<void>;
  readonly #holds = new Set<ClaimHold>(['agent']);
  #controller: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `loop` ends when aborted and never rejects. */
  constructor(loop: (signal: AbortSignal) => Promise<void>) {
    this.#loop = loop;
  }

  /** Whether jobs are being claimed, free slots permitting. */
  get active(): boolean {
    return this.#controller !== undefined;
  }

  /** Stops claiming; resolves when offers that came in that moment have gone back. */
  hold(why: ClaimHold): Promise<void> {
    this.#holds.add(why);
    this.#controller?.abort();
    this.#controller = undefined;
    return this.#running;
  }

  /** Claims again, when nothing else holds it back. */
  allow(why: ClaimHold): void {
    this.#holds.delete(why);
    if (this.#holds.size > 0 || this.#controller) return;
    const controller = new AbortController();
    this.#controller = controller;
    this.#running = this.#running.then(() => this.#loop(controller.signal));
  }
}
