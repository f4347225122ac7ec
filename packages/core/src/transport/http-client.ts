import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { RitmoError } from '../errors.js';

/** How connections are made. PEM texts. */
export interface HttpClientOptions {
  /** Trusted beside the usual authorities. */
  readonly ca?: string;
  /** Client certificate and its key: shown to the API server only. */
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  /** `direct`: this machine, never by a proxy. `server`: the API server. `other`: without client certificate. */
  readonly peer: 'direct' | 'server' | 'other';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** How long the peer may be silent before its answer begins, in milliseconds. */
  readonly headersTimeoutMs: number;
  /** How long it may be silent within its answer, in milliseconds. */
  readonly bodyTimeoutMs: number;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  /** The body as it comes; rejects when it is cut off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body as UTF-8; rejects when it is cut off or longer than `maxBytes`. */
  text(maxBytes: number): Promise<string>;
  /** Lets the connection be used again, or closes it. */
  discard(): Promise<void>;
}

/**
 * HTTP with kept-alive connections. Follows no redirect and repeats nothing. HTTP_PROXY, HTTPS_PROXY and NO_PROXY
 * are honoured. Rejects with RITMO_SERVER_UNREACHABLE where no answer came, or with the signal's reason.
 */
export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #dispatchers = new Map<HttpRequest['peer'], Dispatcher>();
  readonly #over = new AbortController();

  constructor(options: HttpClientOptions = {}) {
    this.#options = options;
  }

  /** Aborted with RITMO_AGENT_STOPPING once the client is closed. */
  get closed(): AbortSignal {
    return this.#over.signal;
  }

  async send(call: HttpRequest): Promise<HttpAnswer> {
    call.signal.throwIfAborted();
    this.closed.throwIfAborted();
    try {
      const answer = await request(call.url, {
        dispatcher: this.#dispatcher(call.peer),
        method: call.method,
        headers: call.headers,
        body: toBody(call.body),
        headersTimeout: call.headersTimeoutMs,
        bodyTimeout: call.bodyTimeoutMs,
        signal: call.signal,
      });
      return new Answer(answer, call.signal);
    } catch (error) {
      throw failureOf(error, call.signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new RitmoError('RITMO_AGENT_STOPPING', 'The transport is closed.'));
    const dispatchers = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(dispatchers.map((dispatcher) => dispatcher.destroy()));
  }

  #dispatcher(peer: HttpRequest['peer']): Dispatcher {
    let dispatcher = this.#dispatchers.get(peer);
    if (dispatcher === undefined) {
      const { ca, cert, key } = this.#options;
      const tls = {
        ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }),
        ...(peer === 'other' || cert === undefined ? {} : { cert }),
        ...(peer === 'other' || key === undefined ? {} : { key }),
      };
      const pool = { keepAliveTimeout: 30_000, connect: { timeout: 10_000, ...tls } };
      dispatcher = peer === 'direct' ? new Agent(pool) : new EnvHttpProxyAgent({ ...pool, requestTls: tls });
      this.#dispatchers.set(peer, dispatcher);
    }
    return dispatcher;
  }
}

class Answer implements HttpAnswer {
  readonly status: number;
  readonly #answer: Dispatcher.ResponseData;
  readonly #signal: AbortSignal;

  constructor(answer: Dispatcher.ResponseData, signal: AbortSignal) {
    this.status = answer.statusCode;
    this.#answer = answer;
    this.#signal = signal;
  }

  header(name: string): string | undefined {
    const value = this.#answer.headers[name.toLowerCase()];
    return Array.isArray(value) ? value[0] : value;
  }

  get body(): AsyncIterable<Uint8Array> {
    return readBody(this.#answer.body, this.#signal);
  }

  async text(maxBytes: number): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.body) {
      length += chunk.length;
      if (length > maxBytes)
        throw new RitmoError('RITMO_SERVER_UNREACHABLE', `The answer is longer than ${maxBytes} bytes.`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  async discard(): Promise<void> {
    // What is left of the answer does not matter any more, and neither does how it ends.
    await this.#answer.body.dump({ limit: 65_536 }).catch(() => undefined);
  }
}

async function* readBody(body: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk as Uint8Array;
  } catch (error) {
    throw failureOf(error, signal);
  }
}

function toBody(body: HttpRequest['body']): string | Uint8Array | Readable | null {
  if (body === undefined) return null;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  return Readable.from(body, { objectMode: false });
}

/** An error of the network in a few words; a failing body of ours keeps its own error. */
function failureOf(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof RitmoError) return error;
  return new RitmoError('RITMO_SERVER_UNREACHABLE', reasonOf(error), { cause: error });
}

function reasonOf(error: unknown): string {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  if (!(inner instanceof Error)) return String(inner);
  const { code } = inner as NodeJS.ErrnoException;
  const message = inner.message === '' ? (code ?? inner.name) : inner.message;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}
