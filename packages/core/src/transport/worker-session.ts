import { type Registration, registration, type WorkerInfo, type WorkerPatch } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { ApiCall, ApiClient } from './api-client.js';
import { waitMs } from './retry.js';
import { refusalError, type Settled } from './server-answer.js';
import { checkToken } from './token.js';

type WorkerCall<T> = Omit<ApiCall<T>, 'token' | 'path'> & { readonly path: string };

/** Who this worker is to the server: registers, and registers again when the server no longer knows the token. */
export class WorkerSession implements Disposable {
  readonly #api: ApiClient;
  readonly #registrationToken: string | (() => Promise<string>);
  #info: WorkerInfo | undefined;
  #registered: Registration | undefined;
  #renewal: Promise<Registration> | undefined;
  readonly #life = new AbortController();

  constructor(api: ApiClient, registrationToken: string | (() => Promise<string>)) {
    this.#api = api;
    this.#registrationToken =
      typeof registrationToken === 'string' ? checkToken(registrationToken, 'RITMO_USAGE') : registrationToken;
  }

  async register(info: WorkerInfo, signal: AbortSignal): Promise<Registration> {
    this.#api.announce(info.agentVersion);
    const given = this.#registrationToken;
    const token = typeof given === 'string' ? given : checkToken(await given(), 'RITMO_UNAUTHORIZED');
    const answer = await this.#api.call(
      { method: 'POST', path: '/v1/workers', token, json: info, schema: registration },
      signal,
    );
    this.#info = { ...info, resumeKey: answer.resumeKey };
    this.#registered = answer;
    return answer;
  }

  /** The worker's id, for a path. */
  get id(): string {
    return encodeURIComponent(this.current.workerId);
  }

  get current(): Registration {
    if (this.#registered === undefined) {
      throw new RitmoError('RITMO_STATE_TRANSITION', 'The worker is not registered yet.', {
        hint: 'Call register() first.',
      });
    }
    return this.#registered;
  }

  /** Keeps what a later registration has to say anew. */
  remember(patch: WorkerPatch): void {
    if (this.#info === undefined) return;
    const { labels, maxConcurrent, isolation } = patch;
    this.#info = {
      ...this.#info,
      ...(labels === undefined ? {} : { labels }),
      ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
      ...(isolation === undefined ? {} : { isolation }),
    };
  }

  /** Calls with the worker token. Where the server does not know it, registers with the same instanceId and repeats. */
  async settle<T>(call: (workerId: string) => WorkerCall<T>, signal: AbortSignal): Promise<Settled<T>> {
    for (let refusals = 0; ; refusals++) {
      const { workerToken: token } = this.current;
      const settled = await this.#api.settle({ ...call(this.id), token }, signal);
      if (settled.kind === 'ok' || settled.status !== 401) return settled;
      // A token that is refused right after it was given must not become a loop without a pause.
      if (refusals > 0) await this.#api.clock.sleep(waitMs(refusals, undefined, 0, this.#api.random), signal);
      await this.renew(token, signal);
    }
  }

  async call<T>(call: (workerId: string) => WorkerCall<T>, signal: AbortSignal): Promise<T> {
    const settled = await this.settle(call, signal);
    if (settled.kind === 'refused') throw refusalError(settled.status, settled.error);
    return settled.value;
  }

  /** A token other than `refused`: one registration a token, however many calls it failed. */
  async renew(refused: string, signal: AbortSignal): Promise<void> {
    if (this.current.workerToken !== refused) return;
    const info = this.#info;
    if (info === undefined) return;
    if (this.#renewal === undefined) {
      this.#api.log.info({ worker: info.name }, 'The API server no longer knows the worker token; registering again.');
      this.#renewal = this.register(info, this.#life.signal).finally(() => {
        this.#renewal = undefined;
      });
    }
    await abortable(this.#renewal, signal);
  }

  [Symbol.dispose](): void {
    this.#life.abort(new RitmoError('RITMO_AGENT_STOPPING', 'The transport is closed.'));
  }
}

/** Waits for shared work that goes on when one of those who wait gives up. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
