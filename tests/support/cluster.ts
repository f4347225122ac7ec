import { type ApiServerOptions, startApiServer } from '@ritmo/api-server';
import type { ArtifactEntry, JobDetail, JobInput, LogRecord, WorkerSummary } from '@ritmo/protocol';
import { LogLineSplitter } from '@ritmo/protocol';
import { execFileSync } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startAgent } from './agent.js';
import { freePort } from './free-port.js';
import { untilProcesses } from './processes.js';
import { type Program, startProgram } from './program.js';
import { programArgv } from './program-argv.js';
import { temporaryFolder } from './temporary-folder.js';
import { mountsBelow } from './witness.js';

/** An API server as a test uses it: what people can ask of it, and where its tokens lie. */
export interface TestServer {
  readonly url: string;
  readonly userTokenFile: string;
  readonly registrationTokenFile: string;
  submit(job: JobInput, secrets?: Readonly<Record<string, string>>): Promise<string>;
  job(id: string): Promise<JobDetail>;
  /** Resolves with the job once it is in one of the states; looks again whenever its log or state may have moved. */
  when(id: string, states: readonly JobDetail['state'][]): Promise<JobDetail>;
  ended(id: string): Promise<JobDetail>;
  records(id: string): Promise<readonly LogRecord[]>;
  output(id: string): Promise<string>;
  notes(id: string): Promise<readonly string[]>;
  artifacts(id: string): Promise<readonly ArtifactEntry[]>;
  workers(): Promise<readonly WorkerSummary[]>;
  call(method: string, path: string, body?: unknown): Promise<Response>;
}

const endStates: readonly JobDetail['state'][] = ['succeeded', 'failed', 'cancelled', 'timed_out', 'errored', 'lost'];

/** Starts a server in this process, closed after the test. */
export async function startServer(options: Partial<ApiServerOptions> = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const log = {
    info: () => {},
    warn: () => {},
    error: (message: string, fields?: object) => console.error(message, fields),
  };
  const server = await startApiServer({ dataDir, port: 0, heartbeatMs: 500, log, ...options });
  onTestFinished(() => server.close());
  return testServer(server.url, dataDir);
}

/** The people's half of a server that runs elsewhere. */
export async function testServer(url: string, dataDir: string): Promise<TestServer> {
  const userTokenFile = join(dataDir, 'user.token');
  const token = (await readFile(userTokenFile, 'utf8')).trim();
  const call = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const json = async <Value>(method: string, path: string, body?: unknown): Promise<Value> => {
    const answer = await call(method, path, body);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Value;
  };
  const records = async (id: string): Promise<LogRecord[]> => {
    const answer = await call('GET', `/v1/jobs/${id}/log`);
    const splitter = new LogLineSplitter();
    return splitter.push(new Uint8Array(await answer.arrayBuffer()));
  };
  const job = (id: string) => json<JobDetail>('GET', `/v1/jobs/${id}`);
  const when = async (id: string, states: readonly JobDetail['state'][]): Promise<JobDetail> => {
    for (;;) {
      const detail = await job(id);
      if (states.includes(detail.state)) return detail;
      if (endStates.includes(detail.state) && detail.state !== 'lost') {
        throw new Error(`the job ended as ${detail.state}: ${JSON.stringify(detail.failure)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    url,
    userTokenFile,
    registrationTokenFile: join(dataDir, 'registration.token'),
    call,
    job,
    when,
    records,
    submit: async (input, secrets = {}) =>
      (await json<{ id: string }>('POST', '/v1/jobs', { job: { version: 1, ...input }, secrets })).id,
    ended: (id) => when(id, endStates),
    output: async (id) => (await records(id)).map((record) => (record.k === 'out' ? record.m : '')).join(''),
    notes: async (id) => (await records(id)).flatMap((record) => (record.k === 'note' ? [record.m] : [])),
    artifacts: async (id) => (await json<{ artifacts: ArtifactEntry[] }>('GET', `/v1/jobs/${id}/artifacts`)).artifacts,
    workers: async () => (await json<{ workers: WorkerSummary[] }>('GET', '/v1/workers')).workers,
  };
}

/** A server in a process of its own, so that it can be killed and come back; `port` 0 for any. */
export async function serverProcess(
  dataDir: string,
  port = 0,
  options: { readonly shortLeases?: boolean } = {},
): Promise<{ program: Program; server: TestServer; port: number }> {
  const args = ['--data-dir', dataDir, '--port', String(port === 0 ? await freePort() : port)];
  const program = options.shortLeases
    ? startProgram(programArgv('tests/support/server-program.ts', ...args))
    : startAgent(['api-server', ...args]);
  const [url = ''] = await program.stderr.waitFor(/http:\/\/[^\s"]+/);
  return { program, server: await testServer(url, dataDir), port: Number(new URL(url).port) };
}

export interface WorkerOptions {
  /** Where it finds the server; a proxy in front of it, perhaps. */
  readonly url?: string;
  readonly stateDir?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `process` by default. */
  readonly isolation?: string;
}

/** A folder for the state of an agent, which job users can walk through. What a killed agent left mounted goes too. */
export async function stateFolder(): Promise<string> {
  const folder = await temporaryFolder('ritmo-state');
  await chmod(folder, 0o711);
  onTestFinished(async () => {
    // A build whose agent was killed is on its way out, and holds them as long.
    await untilProcesses('none', folder);
    for (const point of (await mountsBelow(folder)).toReversed()) execFileSync('umount', [point]);
  });
  return join(folder, 'agent');
}

/** Starts a worker process; killed after the test. */
export async function startWorker(
  server: Pick<TestServer, 'url' | 'registrationTokenFile'>,
  options: WorkerOptions = {},
): Promise<Program & { readonly stateDir: string }> {
  const stateDir = options.stateDir ?? (await stateFolder());
  const program = startAgent(
    [
      ...['start', '--api-server', options.url ?? server.url, '--token-file', server.registrationTokenFile],
      ...['--state-dir', stateDir, '--isolation', options.isolation ?? 'process', ...(options.flags ?? [])],
    ],
    options.env === undefined ? {} : { env: options.env },
  );
  onTestFinished(async () => {
    // The first drains, the second cancels what still runs; two that wait at once would be one.
    program.kill('SIGTERM');
    await Promise.race([program.ended, program.stderr.waitFor(/draining: no new jobs/).catch(() => {})]);
    program.kill('SIGTERM');
    await program.ended;
  });
  return { ...program, stateDir };
}

/** Starts a worker and waits until it takes jobs. */
export async function readyWorker(
  server: Pick<TestServer, 'url' | 'registrationTokenFile'>,
  options: WorkerOptions = {},
): Promise<Program & { readonly stateDir: string }> {
  const worker = await startWorker(server, options);
  await worker.stderr.waitFor(/takes jobs/);
  return worker;
}
