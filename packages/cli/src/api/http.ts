import { rootCertificates } from 'node:tls';
import { RitmoError } from '@ritmo/agent-core/executor';
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from 'undici';

/** How connections are made. PEM texts. */
export interface Tls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface HttpCall {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** How long the server may be silent, in milliseconds. */
  readonly silenceMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body, up to 64 MiB. */
  text(): Promise<string>;
}

/** Most bytes of an answer that is taken as a whole: far more than a page of a list. */
const mostTextBytes = 64 * 1024 * 1024;

/** Sends calls; the one place that knows the HTTP client. Rejects with RITMO_SERVER_UNREACHABLE where no answer came. */
export class Http implements AsyncDisposable {
  readonly #dispatcher: Dispatcher;

  constructor(loopback: boolean, tls: Tls) {
    const connect = {
      timeout: 10_000,
      ...(tls.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
    };
    // This machine is never asked through a proxy.
    this.#dispatcher = loopback ? new Agent({ connect }) : new EnvHttpProxyAgent({ connect, requestTls: connect });
  }

  async send(call: HttpCall): Promise<HttpAnswer> {
    const { method, url, headers, body, signal, silenceMs } = call;
    try {
      const answer = await request(url, {
        dispatcher: this.#dispatcher,
        method,
        headers,
        body: body ?? null,
        signal,
        headersTimeout: silenceMs,
        bodyTimeout: silenceMs,
      });
      return {
        status: answer.statusCode,
        header: (name) => [answer.headers[name.toLowerCase()]].flat()[0],
        body: reading(answer.body, url, signal),
        text: async () => Buffer.concat(await collect(reading(answer.body, url, signal), url)).toString('utf8'),
      };
    } catch (error) {
      throw unreachable(error, url, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

async function collect(body: AsyncIterable<Uint8Array>, url: string): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > mostTextBytes)
      throw new RitmoError(
        'RITMO_SERVER_UNREACHABLE',
        `What answers at ${new URL(url).origin} does not come to an end.`,
        {
          hint: 'Check --api-server.',
        },
      );
    chunks.push(chunk);
  }
  return chunks;
}

async function* reading(body: AsyncIterable<Uint8Array>, url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw unreachable(error, url, signal);
  }
}

function unreachable(error: unknown, url: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const reason = reasonOf(error);
  const { origin, protocol } = new URL(url);
  // A server tells who has no certificate no more than that, since TLS 1.3.
  const mayWantCertificate = protocol === 'https:' && closed.includes(codeOf(error) ?? '');
  return new RitmoError('RITMO_SERVER_UNREACHABLE', `The API server at ${origin} does not answer: ${reason}.`, {
    cause: error,
    hint: mayWantCertificate
      ? 'Check --api-server; a server that demands a certificate of its clients needs --cert-file and --key-file.'
      : 'Check --api-server, and that the server runs; `ritmo-agent api-server` starts one here.',
  });
}

const closed = ['ECONNRESET', 'UND_ERR_SOCKET'];

const known: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'its name cannot be looked up now',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  UND_ERR_CONNECT_TIMEOUT: 'it did not take the connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'it said nothing in time',
  UND_ERR_BODY_TIMEOUT: 'it stopped in the middle of its answer',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed (see --ca-file)',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is of an unknown authority (see --ca-file)',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is of an unknown authority (see --ca-file)',
};

/** Whether nothing came for as long as the call allows, which need not mean that the server is gone. */
export function isSilence(error: unknown): boolean {
  const code = error instanceof RitmoError ? codeOf(error.cause) : undefined;
  return code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT';
}

export function reasonOf(error: unknown): string {
  const inner = firstOf(error);
  if (!(inner instanceof Error)) return String(inner);
  const code = codeOf(inner);
  return (code === undefined ? undefined : known[code]) ?? (inner.message || code || inner.name);
}

/** Of a name with several addresses each has failed. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : error;
}

function codeOf(error: unknown): string | undefined {
  const inner = firstOf(error);
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? inner.code : undefined;
}
