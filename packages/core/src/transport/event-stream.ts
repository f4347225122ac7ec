import type { WorkerEvent } from '@ritmo/protocol';
import type { ApiClient } from './api-client.js';
import { following } from './deadline-signal.js';
import { readEvents } from './events.js';
import type { HttpAnswer } from './http-client.js';
import { untilAnswered, waitMs } from './retry.js';
import { type Attempt, readAnswer, refusalError } from './server-answer.js';
import type { WorkerSession } from './worker-session.js';
import { z } from 'zod';

/** Silence after which a stream counts as dead; servers send a comment more often than that. */
const silenceMs = 60_000;
/** A stream that held this long was no failure. */
const steadyMs = 30_000;

/** The events of this worker, over one connection at a time; goes on after the last event that was seen. */
export class EventStream {
  readonly #api: ApiClient;
  readonly #session: WorkerSession;
  #last: { readonly workerId: string; readonly seq: number } | undefined;
  #shortStreams = 0;

  constructor(api: ApiClient, session: WorkerSession) {
    this.#api = api;
    this.#session = session;
  }

  /** One connection: waits until the server takes it, then ends or rejects as the connection does. */
  async *open(signal: AbortSignal): AsyncGenerator<WorkerEvent> {
    const { clock, random, closed } = this.#api;
    const pauseMs = this.#shortStreams > 0 ? waitMs(this.#shortStreams, undefined, 0, random) : 0;
    if (pauseMs > 0) await following([signal, closed], (over) => clock.sleep(pauseMs, over));
    const answer = await this.#connect(signal);
    const opened = clock.monotonic();
    const { workerId } = this.#session.current;
    try {
      for await (const event of readEvents(answer.body)) {
        this.#last = { workerId, seq: event.seq };
        yield event;
      }
    } finally {
      this.#shortStreams = clock.monotonic() - opened < steadyMs ? this.#shortStreams + 1 : 0;
      await answer.discard();
    }
  }

  async #connect(signal: AbortSignal): Promise<HttpAnswer> {
    for (;;) {
      const { workerId, workerToken: token } = this.#session.current;
      const after = this.#last?.workerId === workerId ? this.#last.seq : 0;
      const path = `/v1/workers/${this.#session.id}/events?after=${after}`;
      const settled = await untilAnswered(() => this.#try(path, token, signal), this.#api, signal);
      if (settled.kind === 'ok') return settled.value;
      if (settled.status !== 401) throw refusalError(settled.status, settled.error);
      await this.#session.renew(token, signal);
    }
  }

  async #try(path: string, token: string, signal: AbortSignal): Promise<Attempt<HttpAnswer>> {
    try {
      const answer = await this.#api.send(
        { method: 'GET', path, token, headers: { accept: 'text/event-stream' } },
        { timeoutMs: silenceMs, signal },
      );
      const type = answer.header('content-type') ?? '';
      if (answer.status === 200 && type.startsWith('text/event-stream'))
        return { kind: 'ok', status: 200, value: answer };
      return await readAnswer(answer, z.never(), () => this.#api.clock.now());
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'retry', why: error instanceof Error ? error.message : String(error) };
    }
  }
}
