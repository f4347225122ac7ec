import { type Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { type Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { HashedBody } from './hashed-body.js';
import { encoded, queryText, Signer, type SigningKeys } from './signature.js';

const maxErrorBytes = 16_384;
/** A store that asks for less is left alone for a random part of this, in milliseconds. */
const slowDownMs = 1_000;

/** What the SDK has found out: where the bucket is, and who we are. */
export interface LeanConfig {
  /** URL of the bucket, without a slash at its end. */
  readonly bucketUrl: () => Promise<URL>;
  readonly region: () => Promise<string>;
  readonly keys: () => Promise<SigningKeys>;
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly silenceMs: number;
}

export interface LeanPut {
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: HashedBody;
}

/** Refused for good. Looks like an error of the SDK. */
export class Refused extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(status: number, code: string) {
    super(code);
    this.name = code;
    this.$metadata = { httpStatusCode: status };
  }
}

/**
 * Sends bytes to S3 with as little work as can be: the SDK takes a millisecond of CPU for each request. What needs more
 * than one try is left to the SDK, which knows how to wait, and to follow the bucket to its region.
 */
export class LeanClient {
  readonly #config: LeanConfig;
  /** By how much our clock is behind that of the server, once the server has said so. */
  #behindMs = 0;
  #place: Promise<{ readonly url: URL; readonly signer: Signer }> | undefined;

  constructor(config: LeanConfig) {
    this.#config = config;
  }

  /** The ETag; undefined where the SDK should try. Rejects with `Refused`, as the body does, or when aborted. */
  async put(put: LeanPut, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#try(put, signal);
    if (answer?.code !== 'RequestTimeTooSkewed' || Number.isNaN(answer.timeMs)) return etagOf(answer, signal);
    this.#behindMs = answer.timeMs - Date.now();
    return etagOf(await this.#try(put, signal), signal);
  }

  /** What the server says; undefined where it says nothing. */
  async #try(put: LeanPut, signal: AbortSignal): Promise<Answer | undefined> {
    this.#place ??= this.#find().catch((error: unknown) => {
      // The next try may find credentials.
      this.#place = undefined;
      throw error;
    });
    const { url, signer } = await this.#place;
    const query = put.query ?? {};
    const base = url.pathname === '/' ? '' : url.pathname;
    const path = `${base}/${put.key.split('/').map(encoded).join('/')}`;
    const { host } = url;
    const now = new Date(Date.now() + this.#behindMs);
    const unsigned = { method: 'PUT', host, path, query, headers: put.headers ?? {}, sha256: put.body.sha256 };
    const headers = signer.sign(unsigned, await this.#config.keys(), now);
    const search = queryText(query);
    signal.throwIfAborted();
    try {
      return await this.#send(url, search === '' ? path : `${path}?${search}`, headers, put.body, signal);
    } catch (error) {
      signal.throwIfAborted();
      // The file could not be read as it was announced.
      if (error instanceof RitmoError) throw error;
      return undefined;
    }
  }

  async #find() {
    const { bucketUrl, region } = this.#config;
    return { url: await bucketUrl(), signer: new Signer(await region()) };
  }

  #send(
    url: URL,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: HashedBody,
    signal: AbortSignal,
  ): Promise<Answer> {
    const { agents, silenceMs } = this.#config;
    const secure = url.protocol === 'https:';
    const options = {
      method: 'PUT',
      hostname: url.hostname.replaceAll(/^\[|\]$/g, ''),
      port: url.port,
      path,
      headers: { ...headers, 'content-length': body.size },
      timeout: silenceMs,
    };
    return new Promise((resolve, reject) => {
      const call = secure
        ? httpsRequest({ ...options, agent: agents.https })
        : httpRequest({ ...options, agent: agents.http });
      // The option `signal` and iterating over an answer take a fifth of the processor time of a small file.
      const stop = () => call.destroy(new Error('aborted'));
      signal.addEventListener('abort', stop, { once: true });
      call.once('close', () => signal.removeEventListener('abort', stop));
      call.once('response', (response) => readAnswer(response, resolve, reject));
      call.once('timeout', () => call.destroy(new Error('the server is silent')));
      call.once('error', reject);
      if (body.bytes) call.end(body.bytes);
      else {
        const stream = Readable.from(body.read(), { objectMode: false });
        // Also ends the reading when the call is over before it.
        call.once('close', () => stream.destroy());
        stream.once('error', (error) => call.destroy(error));
        stream.pipe(call);
      }
    });
  }
}

/** Errors with a 4xx that another try can mend, with what their answer says. */
const again: ReadonlySet<string> = new Set([
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'PermanentRedirect',
  'TemporaryRedirect',
]);

interface Answer {
  readonly status: number;
  readonly etag: string;
  /** Of an error. */
  readonly code: string;
  /** When it was sent, by the clock of the server. */
  readonly timeMs: number;
}

async function etagOf(answer: Answer | undefined, signal: AbortSignal): Promise<string | undefined> {
  if (!answer) return undefined;
  const { status, etag, code } = answer;
  if (status >= 200 && status < 300) return etag;
  if (status === 503 || status === 429) await sleep(Math.random() * slowDownMs, undefined, { signal });
  if (status >= 500 || status < 400 || again.has(code) || [408, 429].includes(status)) return undefined;
  throw new Refused(status, code);
}

function readAnswer(
  response: IncomingMessage,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void,
): void {
  let text = '';
  response.on('data', (bytes: Buffer) => {
    if (text.length < maxErrorBytes) text += bytes.toString();
  });
  // Without its end the answer was cut off.
  response.once('error', reject);
  response.once('end', () =>
    resolve({
      status: response.statusCode ?? 0,
      etag: response.headers.etag ?? '',
      code: /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text)?.[1] ?? 'no code',
      timeMs: Date.parse(response.headers.date ?? ''),
    }),
  );
}
