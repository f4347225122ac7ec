import type { Clock, Logger } from '../executor/host.js';

/** Whether the API server answers, over all calls: says once when it stops and once when it is back. */
export class Outage {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #server: string;
  #since: number | undefined;
  #failures = 0;

  constructor(clock: Clock, log: Logger, server: string) {
    this.#clock = clock;
    this.#log = log;
    this.#server = server;
  }

  /** Milliseconds since the first call that failed; 0 while the server answers. */
  elapsedMs(): number {
    return this.#since === undefined ? 0 : this.#clock.monotonic() - this.#since;
  }

  /** Calls that failed so far and were, or will be, repeated. */
  get failures(): number {
    return this.#failures;
  }

  failed(why: string, nextTryMs: number): void {
    this.#failures += 1;
    if (this.#since !== undefined) {
      this.#log.debug({ why, nextTryMs: Math.round(nextTryMs) }, 'The API server still cannot be used.');
      return;
    }
    this.#since = this.#clock.monotonic();
    this.#log.warn(
      { server: this.#server, why, code: 'RITMO_SERVER_UNREACHABLE' },
      `The API server ${this.#server} cannot be used: ${why}. Trying again until it can.`,
    );
  }

  answered(): void {
    if (this.#since === undefined) return;
    const seconds = (this.elapsedMs() / 1000).toFixed(1);
    this.#since = undefined;
    this.#log.info({ server: this.#server }, `The API server ${this.#server} answers again after ${seconds} s.`);
  }
}
