import type { ArtifactEntry, JobDetail, JobInput } from '@ritmo/protocol';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mountsBelow } from '../../support/witness.js';
import { AgentProcess } from './process.js';

const registeredAs = 'storm';

/** A server and a worker that die and come back over the same folders. */
export class Lab implements AsyncDisposable {
  readonly folder: string;
  server: AgentProcess | undefined;
  agent: AgentProcess | undefined;
  #url = '';
  #port = '0';
  #token = '';

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-storm-'));
    await chmod(folder, 0o711);
    await mkdir(join(folder, 'tmp'), { mode: 0o1777 });
    const lab = new Lab(folder);
    try {
      await lab.startServer();
      await lab.startAgent();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  get stateDir(): string {
    return join(this.folder, 'agent');
  }

  /** Where all programs of the lab put what is temporary. */
  get tmp(): string {
    return join(this.folder, 'tmp');
  }

  async startServer(): Promise<void> {
    const data = join(this.folder, 'server');
    this.server = new AgentProcess(['api-server', '--data-dir', data, '--port', this.#port], { TMPDIR: this.tmp });
    const [, url = '', port = ''] = await this.server.says(/(http:\/\/[\w.[\]-]+:(\d+))/);
    this.#url = url;
    this.#port = port;
    this.#token = (await readFile(join(data, 'user.token'), 'utf8')).trim();
  }

  async startAgent(): Promise<void> {
    const agent = new AgentProcess(
      [
        ...['start', '--api-server', this.#url, '--name', registeredAs, '--isolation', 'process'],
        ...['--token-file', join(this.folder, 'server', 'registration.token')],
        ...['--state-dir', this.stateDir, '--max-concurrent', '3'],
      ],
      { TMPDIR: this.tmp },
    );
    this.agent = agent;
    await agent.says(/takes jobs/);
  }

  async submit(job: JobInput): Promise<string> {
    const answer = await this.#call('POST', '/v1/jobs', { job: { version: 1, ...job } });
    return ((await answer.json()) as { id: string }).id;
  }

  async job(id: string): Promise<JobDetail> {
    return (await (await this.#call('GET', `/v1/jobs/${id}`)).json()) as JobDetail;
  }

  async cancel(id: string): Promise<void> {
    await this.#call('POST', `/v1/jobs/${id}/cancel`, {});
  }

  async log(id: string, attempt: number): Promise<Buffer> {
    return Buffer.from(await (await this.#call('GET', `/v1/jobs/${id}/log?attempt=${attempt}`)).arrayBuffer());
  }

  async artifacts(id: string): Promise<readonly ArtifactEntry[]> {
    const answer = await this.#call('GET', `/v1/jobs/${id}/artifacts`);
    return ((await answer.json()) as { artifacts: ArtifactEntry[] }).artifacts;
  }

  async artifact(id: string, artifactId: string): Promise<Buffer> {
    return Buffer.from(await (await this.#call('GET', `/v1/jobs/${id}/artifacts/${artifactId}`)).arrayBuffer());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent?.end('SIGKILL');
    await this.server?.end('SIGKILL');
    for (const point of (await mountsBelow(this.folder)).toReversed()) execFileSync('umount', [point]);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Repeats a call that the death of the server broke off; a submit may then stand twice, which does no harm here. */
  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    for (;;) {
      try {
        const answer = await fetch(`${this.#url}${path}`, {
          method,
          headers: {
            authorization: `Bearer ${this.#token}`,
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        if (answer.ok) return answer;
        throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}
