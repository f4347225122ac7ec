import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobDetail, JobInput, JobSummary, Offer, Registration, WorkerInfo } from '@ritmo/protocol';
import { type ApiServer, type ApiServerOptions, type Clock, startApiServer } from '../../src/index.js';

/** A clock that a test sets. */
export class TestClock implements Clock {
  wallMs = Date.parse('2026-01-01T00:00:00Z');
  monotonicMs = 0;

  wall(): number {
    return this.wallMs;
  }

  monotonic(): number {
    return this.monotonicMs;
  }

  advance(ms: number): void {
    this.wallMs += ms;
    this.monotonicMs += ms;
  }
}

/** An answer, read whole. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly retryable: boolean;
    readonly hint: string;
    readonly next?: number;
  };
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** One server on a data folder of its own, and calls to it over real HTTP. */
export class Harness implements AsyncDisposable {
  readonly dataDir: string;
  readonly #options: Omit<ApiServerOptions, 'dataDir'>;
  server!: ApiServer;
  userToken = '';
  registrationToken = '';

  private constructor(dataDir: string, options: Omit<ApiServerOptions, 'dataDir'>) {
    this.dataDir = dataDir;
    this.#options = options;
  }

  static async start(options: Omit<ApiServerOptions, 'dataDir'> = {}): Promise<Harness> {
    const harness = new Harness(await mkdtemp(join(tmpdir(), 'ritmo-api-')), { port: 0, sweepMs: 10, ...options });
    await harness.boot();
    return harness;
  }

  async boot(): Promise<void> {
    this.server = await startApiServer({ ...this.#options, dataDir: this.dataDir });
    this.userToken = (await readFile(this.server.tokens.userTokenFile, 'utf8')).trim();
    this.registrationToken = (await readFile(this.server.tokens.registrationTokenFile, 'utf8')).trim();
  }

  /** Ends the server and starts another on the same folder. */
  async restart(): Promise<void> {
    await this.server.close();
    await this.boot();
  }

  /** As above, without the bucket that it had. */
  async restartWithoutBucket(): Promise<void> {
    await this.server.close();
    const { artifactBucket: _, ...options } = this.#options;
    this.server = await startApiServer({ ...options, dataDir: this.dataDir });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await rm(this.dataDir, { recursive: true });
  }

  fetch(method: string, path: string, token: string | undefined, options: CallOptions = {}): Promise<Response> {
    const { body, headers, signal } = options;
    const bytes = body instanceof Uint8Array || body instanceof ReadableStream;
    return fetch(`${this.server.url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': bytes ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && {
        body: bytes ? body : typeof body === 'string' ? body : JSON.stringify(body),
        duplex: 'half',
      }),
      ...(signal && { signal }),
    });
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    token: string | undefined,
    options?: CallOptions,
  ): Promise<Answer<T>> {
    const response = await this.fetch(method, path, token, options);
    const text = await response.text();
    const isJson = text !== '' && response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  user<T = Record<string, unknown>>(method: string, path: string, options?: CallOptions): Promise<Answer<T>> {
    return this.call<T>(method, path, this.userToken, options);
  }

  async submit(job: Partial<JobInput> = {}, secrets: Record<string, string> = {}, project?: string): Promise<string> {
    const answer = await this.user<JobSummary>('POST', '/v1/jobs', {
      body: { job: { ...plainJob, ...job }, secrets, ...(project !== undefined && { project }) },
    });
    if (answer.status !== 201) throw new Error(`submit: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body.id;
  }

  async job(id: string): Promise<JobDetail> {
    return (await this.user<JobDetail>('GET', `/v1/jobs/${id}`)).body;
  }

  async register(info: Partial<WorkerInfo> = {}): Promise<TestWorker> {
    const whole = workerInfo(info);
    const answer = await this.call<Registration>('POST', '/v1/workers', this.registrationToken, { body: whole });
    if (answer.status !== 201) throw new Error(`register: ${answer.status} ${JSON.stringify(answer.body)}`);
    return new TestWorker(this, whole, answer.body);
  }

  /** Waits until so many claims wait for a job. */
  async claimsWaiting(count: number): Promise<void> {
    for (;;) {
      const { body } = await this.user<string>('GET', '/metrics');
      if (/^ritmo_claims_waiting (\d+)$/m.exec(body)?.[1] === String(count)) return;
    }
  }

  /** Waits until the job is as `wanted` says. */
  async until(id: string, wanted: (job: JobDetail) => boolean): Promise<JobDetail> {
    for (;;) {
      const job = await this.job(id);
      if (wanted(job)) return job;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

let requests = 0;

/** A worker as the server sees one. */
export class TestWorker {
  readonly harness: Harness;
  readonly info: WorkerInfo;
  readonly registration: Registration;

  constructor(harness: Harness, info: WorkerInfo, registration: Registration) {
    this.harness = harness;
    this.info = info;
    this.registration = registration;
  }

  get path(): string {
    return `/v1/workers/${this.registration.workerId}`;
  }

  call<T = Record<string, unknown>>(method: string, path: string, options?: CallOptions): Promise<Answer<T>> {
    return this.harness.call<T>(method, `${this.path}${path}`, this.registration.workerToken, options);
  }

  async claim(
    options: { max?: number; waitMs?: number; requestId?: string; signal?: AbortSignal } = {},
  ): Promise<Offer[]> {
    const { max = 1, waitMs = 5000, requestId = `request-${++requests}-${process.pid}`, signal } = options;
    const answer = await this.call<{ offers: Offer[] }>('POST', '/claims', {
      body: { requestId, max, waitMs },
      ...(signal && { signal }),
    });
    if (answer.status === 204) return [];
    if (answer.status !== 200) throw Object.assign(new Error('claim'), { answer });
    return answer.body.offers;
  }

  async claimOne(options?: Parameters<TestWorker['claim']>[0]): Promise<TestBuild> {
    const [offer] = await this.claim(options);
    if (!offer) throw new Error('no offer');
    return new TestBuild(this.harness, offer);
  }

  heartbeat(running: readonly { jobId: string; epoch: number }[] = [], state = 'busy') {
    return this.call<{
      jobs: { jobId: string; verdict: string; cancel?: { reason: string; graceMs: number } }[];
      command?: string;
    }>('POST', '/heartbeat', {
      body: {
        instanceId: this.info.instanceId,
        state,
        running: running.map((lease) => ({ ...lease, phase: 'running', logBytes: 0 })),
      },
    });
  }
}

/** A build as the server sees one. */
export class TestBuild {
  readonly harness: Harness;
  readonly offer: Offer;
  readonly jobId: string;
  readonly epoch: number;

  constructor(harness: Harness, offer: Offer, token = offer.jobToken) {
    this.harness = harness;
    this.offer = { ...offer, jobToken: token };
    this.jobId = offer.lease.jobId;
    this.epoch = offer.lease.epoch;
  }

  get lease() {
    return { jobId: this.jobId, epoch: this.epoch };
  }

  call<T = ErrorBody>(method: string, path: string, options?: CallOptions): Promise<Answer<T>> {
    return this.harness.call<T>(method, `/v1/jobs/${this.jobId}${path}`, this.offer.jobToken, options);
  }

  accept() {
    return this.call('POST', '/accept', { body: { epoch: this.epoch } });
  }

  release(retryAfterMs?: number) {
    return this.call('POST', '/release', {
      body: { epoch: this.epoch, code: 'RITMO_DISK_FULL', message: 'no room', retryAfterMs },
    });
  }

  append(offset: number, text: string | Uint8Array, headers: Record<string, string> = {}) {
    const body = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    return this.call<ErrorBody & { next: number; cancel?: { reason: string } }>('PUT', `/log?offset=${offset}`, {
      body,
      headers: { 'Ritmo-Epoch': String(this.epoch), ...headers },
    });
  }

  seal(text: string) {
    return this.call('POST', '/log/seal', {
      body: { epoch: this.epoch, length: Buffer.byteLength(text), sha256: sha256(text), truncatedBytes: 0 },
    });
  }

  finish(outcome = 'succeeded', more: Record<string, unknown> = {}) {
    return this.call('POST', '/finish', {
      body: { epoch: this.epoch, outcome, steps: [], durationMs: 1, artifacts: 0, ...more },
    });
  }

  plan(files: readonly Record<string, unknown>[]) {
    return this.call<
      {
        files: {
          artifactId: string;
          stored?: boolean;
          known?: boolean;
          upload?: { url: string; headers: Record<string, string> };
        }[];
      } & ErrorBody
    >('POST', '/artifacts', { body: files, headers: { 'Ritmo-Epoch': String(this.epoch) } });
  }

  upload(artifactId: string, body: Uint8Array | ReadableStream) {
    return this.call('PUT', `/artifacts/${artifactId}/content`, {
      body,
      headers: { 'Ritmo-Epoch': String(this.epoch) },
    });
  }

  complete(artifactId: string, hash: string) {
    return this.call('POST', `/artifacts/${artifactId}/complete`, { body: { epoch: this.epoch, sha256: hash } });
  }
}

export const plainJob: JobInput = { name: 'test', steps: [{ run: 'true' }] };

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

let workers = 0;

export function workerInfo(info: Partial<WorkerInfo> = {}): WorkerInfo {
  const number = ++workers;
  return {
    name: `worker-${number}`,
    instanceId: `instance-${number}`,
    labels: {},
    maxConcurrent: 2,
    isolation: [processIsolation],
    host: { os: 'linux', arch: 'x64', cpus: 2, memoryBytes: 1024 },
    agentVersion: '0.1.0',
    protocol: { min: 1, max: 1 },
    jobVersions: [1],
    ...info,
  };
}

export const processIsolation: WorkerInfo['isolation'][number] = {
  name: 'process',
  default: true,
  capabilities: {
    isolation: 'namespace',
    defaultNetwork: 'isolated',
    images: false,
    services: false,
    network: ['isolated', 'none'],
    limits: ['memory'],
    os: ['linux'],
    arch: ['x64'],
    separateStderr: true,
    recover: false,
  },
};
