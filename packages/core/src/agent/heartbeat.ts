import type { HeartbeatAnswer, WorkerStatus } from '@ritmo/protocol';
import type { Clock, Logger } from '../executor/host.js';
import type { Transport } from '../transport/transport.js';
import { withDeadline } from '../build/deadline.js';
import { RitmoError } from '../errors.js';
import { isFinal } from './final-errors.js';

/** Why a pause between heartbeats ended early. */
const hurried = new Error('a heartbeat is due at once');

export interface HeartbeatLoop {
  readonly transport: Transport;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly status: () => WorkerStatus;
  readonly answered: (answer: HeartbeatAnswer, durationMs: number) => void;
  readonly failed: (error: Error, consecutive: number) => void;
}

/** Renews the leases every `intervalMs` ± 20 %. A heartbeat that finds no answer is given up for a fresh one. */
export class Heartbeat {
  readonly #loop: HeartbeatLoop;
  /** Aborted where one is due at once; a new one for each heartbeat, so that none made before a wish answers it. */
  #hurry = new AbortController();

  constructor(loop: HeartbeatLoop) {
    this.#loop = loop;
  }

  /** Sends one at once. */
  now(): void {
    this.#hurry.abort();
  }

  /** Ends when aborted; rejects with an error that ends the agent. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, clock } = this.#loop;
    let consecutive = 0;
    while (!signal.aborted) {
      const wait = intervalMs * (0.8 + Math.random() * 0.4);
      using pause = withDeadline([signal, this.#hurry.signal], undefined, hurried);
      await clock.sleep(wait, pause.signal).catch(() => {});
      if (signal.aborted) return;
      this.#hurry = new AbortController();
      consecutive = await this.#beat(signal, consecutive);
    }
  }

  /** Answers how many have failed in a row. */
  async #beat(signal: AbortSignal, before: number): Promise<number> {
    const { transport, intervalMs, status, answered, failed, clock, log } = this.#loop;
    using bounded = withDeadline(
      [signal],
      intervalMs,
      new RitmoError('RITMO_SERVER_UNREACHABLE', 'No answer in time.'),
    );
    const begin = clock.monotonic();
    try {
      answered(await transport.heartbeat(status(), bounded.signal), clock.monotonic() - begin);
      return 0;
    } catch (error) {
      if (signal.aborted) return before;
      if (isFinal(error)) throw error;
      log.warn({ err: error, consecutive: before + 1 }, 'a heartbeat failed');
      failed(error as Error, before + 1);
      return before + 1;
    }
  }
}
