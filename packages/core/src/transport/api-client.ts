import { protocolHeader, protocolVersion } from '@ritmo/protocol';
import type { z } from 'zod';
import type { Clock, Logger } from '../executor/host.js';
import type { ServerAddress } from './address.js';
import { withDeadline } from './deadline-signal.js';
import { type HttpAnswer, HttpClient, type HttpClientOptions, type HttpRequest } from './http-client.js';
import { Outage } from './outage.js';
import { untilAnswered } from './retry.js';
import { type Attempt, readAnswer, refusalError, type Settled } from './server-answer.js';

/** One call of the worker API. */
export interface ApiCall<T> {
  readonly method: HttpRequest['method'];
  /** From `/v1` on, with its parts already encoded. */
  readonly path: string;
  readonly token: string;
  readonly schema: z.ZodType<T>;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Octets instead of JSON. */
  readonly bytes?: Uint8Array;
  /** A 413 is an answer, also from a proxy: the caller can send less. */
  readonly sizeMatters?: boolean;
  /** For the whole of one try. */
  readonly timeoutMs?: number;
}

export interface ApiClientOptions extends HttpClientOptions {
  readonly address: ServerAddress;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

const defaultTimeoutMs = 20_000;
const tooLarge = {
  kind: 'refused',
  status: 413,
  error: {
    code: 'RITMO_TOO_LARGE',
    message: 'The body is larger than what lies before the API server takes.',
    retryable: false,
  },
} as const;

/** Calls of the worker API with its retry table; what a refusal means is for the caller. */
export class ApiClient implements AsyncDisposable {
  readonly address: ServerAddress;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly outage: Outage;
  readonly #http: HttpClient;
  #userAgent = `ritmo-agent (${process.platform}; ${process.arch})`;

  constructor(options: ApiClientOptions) {
    this.address = options.address;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.outage = new Outage(options.clock, options.log, options.address.base);
    this.#http = new HttpClient(options);
  }

  /** Aborted once the client is closed: nothing is repeated any more. */
  get closed(): AbortSignal {
    return this.#http.closed;
  }

  /** Names the agent's version in the User-Agent from now on. */
  announce(agentVersion: string): void {
    const version = agentVersion.replace(/[^A-Za-z0-9._+-]/g, '');
    this.#userAgent = `ritmo-agent/${version} (${process.platform}; ${process.arch})`;
  }

  /** Repeats the call until the server has answered it. Rejects with the signal's reason, or when the client is closed. */
  settle<T>(call: ApiCall<T>, signal: AbortSignal): Promise<Settled<T>> {
    return untilAnswered(() => this.attempt(call, signal), this, signal);
  }

  /** As `settle`, with every refusal an error. */
  async call<T>(call: ApiCall<T>, signal: AbortSignal): Promise<T> {
    const settled = await this.settle(call, signal);
    if (settled.kind === 'refused') throw refusalError(settled.status, settled.error);
    return settled.value;
  }

  /** One try, which must be whole within its time. */
  async attempt<T>(call: ApiCall<T>, signal: AbortSignal): Promise<Attempt<T>> {
    const timeoutMs = call.timeoutMs ?? defaultTimeoutMs;
    try {
      return await withDeadline(signal, timeoutMs, async (limited) => {
        const answer = await this.send(call, { timeoutMs, signal: limited });
        const attempt = await readAnswer(answer, call.schema, () => this.clock.now());
        return attempt.kind === 'retry' && attempt.status === 413 && call.sizeMatters === true ? tooLarge : attempt;
      });
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'retry', why: error instanceof Error ? error.message : String(error) };
    }
  }

  /** One request to the API server, its answer unread. */
  send(
    call: Omit<ApiCall<unknown>, 'schema'>,
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<HttpAnswer> {
    const body = call.json === undefined ? call.bytes : JSON.stringify(call.json);
    return this.#http.send({
      method: call.method,
      url: this.address.base + call.path,
      peer: this.address.loopback ? 'direct' : 'server',
      headers: {
        ...(call.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.bytes === undefined ? {} : { 'content-type': 'application/octet-stream' }),
        accept: 'application/json',
        ...call.headers,
        'user-agent': this.#userAgent,
        [protocolHeader]: String(protocolVersion),
        authorization: `Bearer ${call.token}`,
      },
      ...(body === undefined ? {} : { body }),
      headersTimeoutMs: limits.timeoutMs,
      bodyTimeoutMs: limits.timeoutMs,
      signal: limits.signal,
    });
  }

  /** Sends a file; an address that begins with `/` is on the API server and takes the token, any other never sees it. */
  upload(
    target: { readonly url: string; readonly headers: Readonly<Record<string, string>> },
    token: string,
    body: AsyncIterable<Uint8Array>,
    size: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const own = target.url.startsWith('/') && !target.url.startsWith('//');
    return this.#http.send({
      method: 'PUT',
      url: own ? this.address.base + target.url : target.url,
      peer: own ? (this.address.loopback ? 'direct' : 'server') : 'other',
      headers: {
        ...(own ? { 'content-type': 'application/octet-stream' } : {}),
        ...Object.fromEntries(Object.entries(target.headers).map(([name, value]) => [name.toLowerCase(), value])),
        ...(own ? { [protocolHeader]: String(protocolVersion), authorization: `Bearer ${token}` } : {}),
        'user-agent': this.#userAgent,
        'content-length': String(size),
      },
      body,
      headersTimeoutMs: 120_000,
      bodyTimeoutMs: 30_000,
      signal,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#http[Symbol.asyncDispose]();
  }
}
