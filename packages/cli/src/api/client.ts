import { randomUUID } from 'node:crypto';
import { RitmoError } from '@ritmo/agent-core/executor';
import {
  type ArtifactEntry,
  artifactPage,
  errorAnswer,
  isCode,
  type JobDetail,
  type JobSummary,
  jobDetail,
  jobPage,
  jobSummary,
  type SubmitRequest,
  type WorkerSummary,
  workerList,
  workerSummary,
} from '@ritmo/protocol';
import { editionHeader } from '@ritmo/protocol/routes';
import type { z } from 'zod';
import { Http, type HttpAnswer, type Tls } from './http.js';

export interface ApiClientOptions {
  /** Scheme, host, port and path; no slash at its end. */
  readonly base: string;
  readonly loopback: boolean;
  /** Of the role user; calls without one are refused by the server. */
  readonly token: string;
  readonly tls: Tls;
}

/** What of a log is asked for. */
export interface LogQuery {
  readonly attempt?: number;
  readonly offset?: number;
  readonly follow: boolean;
  /** Told which edition of the log it is, before any byte of it; offsets count in one edition. */
  readonly heard?: (edition: number) => void;
}

/** Silence of a server that answers at once. */
const answerMs = 30_000;
/** Silence of a build, after which the connection is made anew: the other end may be gone. */
const silentBuildMs = 60_000;
/** Entries of a list in one answer; the most that a server gives. */
const pageSize = 500;
/** Tries of a submit whose answer was lost; the key makes them one. */
const submitTries = 3;

/** The calls of people. Rejects with the server's code, or RITMO_SERVER_UNREACHABLE. */
export class ApiClient implements AsyncDisposable {
  readonly #options: ApiClientOptions;
  readonly #http: Http;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#http = new Http(options.loopback, options.tls);
  }

  async submit(body: SubmitRequest, signal: AbortSignal): Promise<JobSummary> {
    const key = randomUUID();
    for (let left = submitTries - 1; ; left -= 1) {
      try {
        return await this.#json('POST', '/v1/jobs', jobSummary, signal, body, { 'Idempotency-Key': key });
      } catch (error) {
        const lost = error instanceof RitmoError && error.code === 'RITMO_SERVER_UNREACHABLE' && wasSent(error);
        if (!lost || left === 0) throw error;
      }
    }
  }

  job(id: string, signal: AbortSignal): Promise<JobDetail> {
    return this.#json('GET', `/v1/jobs/${encodeURIComponent(id)}`, jobDetail, signal);
  }

  async jobs(signal: AbortSignal): Promise<readonly JobSummary[]> {
    return (await this.#json('GET', '/v1/jobs', jobPage, signal)).jobs;
  }

  /** The stored files of the last attempt, all pages of them. */
  async artifacts(id: string, signal: AbortSignal): Promise<readonly ArtifactEntry[]> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/artifacts?limit=${pageSize}`;
    const all: ArtifactEntry[] = [];
    for (let next = ''; ; ) {
      const { artifacts, cursor } = await this.#json('GET', path + next, artifactPage, signal);
      all.push(...artifacts);
      if (cursor === undefined) return all;
      if (artifacts.length === 0) throw foreign(200, this.#options.base);
      next = `&cursor=${encodeURIComponent(cursor)}`;
    }
  }

  /** The bytes of a stored file. */
  async *artifact(id: string, artifactId: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/artifacts/${encodeURIComponent(artifactId)}`;
    const answer = await this.#send('GET', path, signal);
    if (answer.status === 200) yield* answer.body;
    else throw refusal(answer.status, await answer.text(), this.#options.base);
  }

  cancel(id: string, signal: AbortSignal): Promise<JobSummary> {
    return this.#json('POST', `/v1/jobs/${encodeURIComponent(id)}/cancel`, jobSummary, signal, {});
  }

  async workers(signal: AbortSignal): Promise<readonly WorkerSummary[]> {
    return (await this.#json('GET', '/v1/workers', workerList, signal)).workers;
  }

  command(workerId: string, command: 'pause' | 'resume' | 'drain', signal: AbortSignal): Promise<WorkerSummary> {
    return this.#json('POST', `/v1/workers/${encodeURIComponent(workerId)}/${command}`, workerSummary, signal, {});
  }

  /** Whether a server is there; needs no token. */
  async health(signal: AbortSignal): Promise<void> {
    const answer = await this.#send('GET', '/healthz', signal);
    await answer.text();
    if (answer.status !== 200) throw foreign(answer.status, this.#options.base);
  }

  /** The bytes of a log as they come; ends when the server has no more to say. */
  async *log(id: string, from: LogQuery, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const query = new URLSearchParams();
    if (from.attempt !== undefined) query.set('attempt', String(from.attempt));
    if (from.offset !== undefined) query.set('offset', String(from.offset));
    if (from.follow) query.set('follow', '1');
    const stop = new AbortController();
    const path = `/v1/jobs/${encodeURIComponent(id)}/log?${query.toString()}`;
    const answer = await this.#send('GET', path, AbortSignal.any([signal, stop.signal]), { silenceMs: silentBuildMs });
    if (answer.status !== 200) throw refusal(answer.status, await answer.text(), this.#options.base);
    try {
      from.heard?.(Number(answer.header(editionHeader) ?? 1));
      yield* answer.body;
    } finally {
      // Whoever reads no further needs no connection.
      stop.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
  }

  async #json<Answer>(
    method: 'GET' | 'POST',
    path: string,
    schema: z.ZodType<Answer>,
    signal: AbortSignal,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const answer = await this.#send(
      method,
      path,
      signal,
      body === undefined ? { headers } : { headers, body: JSON.stringify(body) },
    );
    const text = await answer.text();
    if (answer.status < 200 || answer.status > 299) throw refusal(answer.status, text, this.#options.base);
    const value = schema.safeParse(parseJson(text));
    if (!value.success) throw foreign(answer.status, this.#options.base);
    return value.data;
  }

  #send(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    more: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly silenceMs?: number;
    } = {},
  ): Promise<HttpAnswer> {
    const { base, token } = this.#options;
    return this.#http.send({
      method,
      url: base + path,
      headers: {
        ...more.headers,
        ...(token === '' ? {} : { Authorization: `Bearer ${token}` }),
        ...(more.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(more.body === undefined ? {} : { body: more.body }),
      signal,
      silenceMs: more.silenceMs ?? answerMs,
    });
  }
}

function refusal(status: number, text: string, base: string): RitmoError {
  const parsed = errorAnswer.safeParse(parseJson(text));
  if (!parsed.success) return foreign(status, base);
  const { code, message, retryable, hint } = parsed.data.error;
  return isCode(code)
    ? new RitmoError(code, message, { retryable, ...(hint === undefined ? {} : { hint }) })
    : new RitmoError('RITMO_INVALID_REQUEST', `${code}: ${message}`, {
        hint: hint ?? 'The server is newer than this program.',
      });
}

function foreign(status: number, base: string): RitmoError {
  return new RitmoError(
    'RITMO_SERVER_UNREACHABLE',
    `What answers at ${base} (status ${status}) is not a Ritmo API server.`,
    {
      hint: 'Check --api-server; a proxy may stand between.',
    },
  );
}

/** False where the server cannot have seen the call. */
function wasSent(error: RitmoError): boolean {
  const code: unknown = error.cause instanceof Error && 'code' in error.cause ? error.cause.code : undefined;
  return !['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'].includes(String(code));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
