import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpTransport } from '@ritmo/agent-core';
import { type ApiServer, startApiServer } from '@ritmo/api-server';
import type { ArtifactEntry, JobDetail } from '@ritmo/protocol';
import type { TransportPlace, TransportSubject } from '../src/index.js';
import { describeTransport } from '../src/vitest.js';
import { LossyProxy } from './lossy-proxy.js';

/** A clock that is set forward, so that leases run out at once. */
class SettableClock {
  ahead = 0;
  wall = () => Date.now() + this.ahead;
  monotonic = () => performance.now() + this.ahead;
}

/** The reference API server on a folder of its own, behind a proxy that loses answers. */
class ServerPlace implements TransportPlace {
  readonly #server: ApiServer;
  readonly #folder: string;
  readonly #clock: SettableClock;
  readonly #proxy: LossyProxy;
  readonly #tokens: { readonly user: string; readonly registration: string };

  private constructor(parts: {
    readonly server: ApiServer;
    readonly folder: string;
    readonly clock: SettableClock;
    readonly proxy: LossyProxy;
    readonly tokens: { readonly user: string; readonly registration: string };
  }) {
    this.#server = parts.server;
    this.#folder = parts.folder;
    this.#clock = parts.clock;
    this.#proxy = parts.proxy;
    this.#tokens = parts.tokens;
  }

  static async open(): Promise<ServerPlace> {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-kit-server-'));
    const clock = new SettableClock();
    const server = await startApiServer({ dataDir: folder, port: 0, clock, sweepMs: 10 });
    const read = async (file: string) => (await readFile(file, 'utf8')).trim();
    const tokens = {
      user: await read(server.tokens.userTokenFile),
      registration: await read(server.tokens.registrationTokenFile),
    };
    return new ServerPlace({ server, folder, clock, tokens, proxy: await LossyProxy.start(server.url) });
  }

  connect(): HttpTransport {
    return new HttpTransport({ apiServer: this.#proxy.url, registrationToken: this.#tokens.registration });
  }

  async submit(job: object, secrets: Readonly<Record<string, string>>): Promise<string> {
    const answer = await this.#call('POST', '/v1/jobs', { job, secrets });
    return ((await answer.json()) as { readonly id: string }).id;
  }

  async cancel(jobId: string, graceMs: number): Promise<void> {
    await this.#call('POST', `/v1/jobs/${jobId}/cancel`, { graceMs });
  }

  async log(jobId: string, epoch: number): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#call('GET', `/v1/jobs/${jobId}/log?attempt=${epoch}`)).arrayBuffer());
  }

  async ended(jobId: string) {
    const answer = await this.#call('GET', `/v1/jobs/${jobId}`, undefined, [404]);
    if (answer.status === 404) return undefined;
    const { state, exitCode, failure } = (await answer.json()) as JobDetail;
    const open = ['queued', 'offered', 'running', 'lost'].includes(state);
    return open ? undefined : { outcome: state, exitCode, code: failure?.code };
  }

  /** The clock goes on by more than a lease lasts. */
  async lose(jobId: string): Promise<void> {
    this.#clock.ahead += 80_000;
    for (;;) {
      const { state } = (await (await this.#call('GET', `/v1/jobs/${jobId}`)).json()) as JobDetail;
      if (state === 'queued') return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async files(jobId: string, epoch: number): Promise<ReadonlyMap<string, Uint8Array>> {
    const page = await this.#call('GET', `/v1/jobs/${jobId}/artifacts?attempt=${epoch}`);
    const { artifacts } = (await page.json()) as { readonly artifacts: readonly ArtifactEntry[] };
    const files = new Map<string, Uint8Array>();
    for (const { artifactId, path } of artifacts) {
      const answer = await this.#call('GET', `/v1/jobs/${jobId}/artifacts/${artifactId}`);
      files.set(path, new Uint8Array(await answer.arrayBuffer()));
    }
    return files;
  }

  loseAnswer(): void {
    this.#proxy.lose = 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy.close();
    await this.#server.close();
    await rm(this.#folder, { recursive: true });
  }

  async #call(method: string, path: string, body?: object, also: readonly number[] = []): Promise<Response> {
    const answer = await fetch(`${this.#server.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#tokens.user}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok && !also.includes(answer.status))
      throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}

const subject: TransportSubject = {
  name: 'http',
  abilities: { manyJobs: true, manyWorkers: true, secrets: true, adoption: true, again: true },
  open: () => ServerPlace.open(),
};

describeTransport(subject);
