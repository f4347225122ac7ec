import type { ArtifactEntry, JobDetail, JobInput } from '@ritmo/protocol';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.js';
import { mountsBelow } from '../../support/witness.js';
import type { ClockSetting } from '../../support/clock-setting.js';
import { LabDaemon } from './daemon.js';
import type { Isolation } from './faults.js';
import { LabProcess } from './process.js';

const registeredAs = 'storm';
/** How long a call waits for a server that was killed, in milliseconds. */
const patienceMs = 60_000;

/** A server and a worker that die and come back over the same folders; for docker also the daemon. */
export class Lab implements AsyncDisposable {
  readonly folder: string;
  readonly isolation: Isolation;
  server: LabProcess | undefined;
  agent: LabProcess | undefined;
  daemon: LabDaemon | undefined;
  /** Of the agent, once it runs: `http://…`. */
  healthUrl = '';
  #url = '';
  readonly #port: number;
  #token = '';

  private constructor(folder: string, isolation: Isolation, port: number) {
    this.folder = folder;
    this.isolation = isolation;
    this.#port = port;
  }

  static async open(isolation: Isolation = 'process'): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-storm-'));
    await chmod(folder, 0o711);
    const lab = new Lab(folder, isolation, await freePort());
    try {
      await mkdir(lab.tmp, { mode: 0o1777 });
      await mkdir(lab.stateDir, { mode: 0o711 });
      // A file system of its own, which a round can fill.
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512m,mode=0711', 'ritmo-storm', lab.stateDir]);
      for (const who of ['agent', 'server'] as const) await lab.setClock(who, {});
      if (isolation === 'docker') lab.daemon = await LabDaemon.start();
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

  /** Sets the clock of a program that runs, and of the ones after it. */
  async setClock(who: 'agent' | 'server', setting: ClockSetting): Promise<void> {
    const file = this.#clockOf(who);
    // Never seen in part.
    await writeFile(`${file}.new`, JSON.stringify(setting));
    await rename(`${file}.new`, file);
  }

  async startServer(): Promise<void> {
    const data = join(this.folder, 'server');
    const args = ['--data-dir', data, '--port', String(this.#port)];
    this.server = new LabProcess('tests/support/server-program.ts', args, this.#env('server'));
    const [url = ''] = await this.server.says(/http:\/\/[\w.[\]-]+:\d+/);
    this.#url = url;
    this.#token = (await readFile(join(data, 'user.token'), 'utf8')).trim();
  }

  async startAgent(): Promise<void> {
    const agent = new LabProcess(
      'packages/cli/dist/bin.js',
      [
        ...['start', '--api-server', this.#url, '--name', registeredAs, '--isolation', this.isolation],
        ...['--token-file', join(this.folder, 'server', 'registration.token'), '--state-dir', this.stateDir],
        ...['--max-concurrent', '3', '--min-free-disk', '64MiB', '--health-addr', '0'],
      ],
      { ...this.#env('agent'), ...(this.daemon && { DOCKER_HOST: this.daemon.address }) },
    );
    this.agent = agent;
    const [, health = ''] = await agent.says(/"url":"(http:[^"]+)","msg":"health/);
    this.healthUrl = health;
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
    await this.daemon?.[Symbol.asyncDispose]();
    for (const point of (await mountsBelow(this.folder)).toReversed()) execFileSync('umount', [point]);
    await rm(this.folder, { recursive: true, force: true });
  }

  #clockOf(who: 'agent' | 'server'): string {
    return join(this.folder, `${who}.clock`);
  }

  #env(who: 'agent' | 'server'): Record<string, string> {
    return { TMPDIR: this.tmp, RITMO_TEST_CLOCK: this.#clockOf(who) };
  }

  /** Repeats a call that the death of the server broke off; a submit may then stand twice, which does no harm here. */
  async #call(method: string, path: string, body?: unknown): Promise<Response> {
    for (const limit = AbortSignal.timeout(patienceMs); ; ) {
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
        throw new CallRefused(answer.status, `${method} ${path}: ${answer.status} ${await answer.text()}`);
      } catch (error) {
        if (!(error instanceof TypeError) || limit.aborted) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

/** The server answered a call with an error. */
export class CallRefused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
