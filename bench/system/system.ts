import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTap, type Tap } from './tap.js';

/** The command line as it is published. `pnpm build` makes it. */
export const bin = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url));

/** A server and a worker in processes of their own, with a tap between them. */
export interface System extends AsyncDisposable {
  readonly tap: Tap;
  /** Of the server itself, past the tap, with what its calls need. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly agentPid: number;
  readonly serverPid: number;
  /** Hands a job in, past the tap; answers its id. */
  submit(job: object): Promise<string>;
  get(path: string): Promise<Response>;
  cancel(id: string): Promise<Response>;
  /** Resolves with the job when it has ended. */
  ended(id: string): Promise<{ readonly state: string; readonly failure?: { readonly message: string } }>;
}

export async function startSystem(options: {
  readonly maxConcurrent: number;
  readonly logLevel?: string;
  /** False: the worker speaks straight to the server, and the tap sees nothing. */
  readonly tapped?: boolean;
  /** `process` where it is not said. */
  readonly isolation?: string;
  /** More flags for the worker. */
  readonly flags?: readonly string[];
  /** More variables for the worker. */
  readonly env?: Readonly<Record<string, string>>;
}): Promise<System> {
  if (!existsSync(bin)) throw new Error('There is no command line to measure: run `pnpm build` first.');
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-bench-'));
  await chmod(folder, 0o711);
  const dataDir = join(folder, 'server');
  const server = run(['api-server', '--data-dir', dataDir, '--port', '0']);
  const url = await lineOf(server, /(http:\/\/[\w.:[\]-]+:\d+)/);
  const tap = await startTap(url);
  const agent = run(
    [
      ...[
        'start',
        '--api-server',
        options.tapped === false ? url : tap.url,
        '--token-file',
        join(dataDir, 'registration.token'),
      ],
      ...[
        '--state-dir',
        join(folder, 'agent'),
        '--isolation',
        options.isolation ?? 'process',
        '--max-concurrent',
        String(options.maxConcurrent),
      ],
      ...(options.flags ?? []),
    ],
    options.env,
  );
  const token = (await readFile(join(dataDir, 'user.token'), 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  await lineOf(agent, /takes jobs/);
  const get = (path: string) => fetch(`${url}${path}`, { headers });
  return {
    tap,
    url,
    headers,
    agentPid: agent.pid as number,
    serverPid: server.pid as number,
    get,
    cancel: (id) => fetch(`${url}/v1/jobs/${id}/cancel`, { method: 'POST', headers, body: '{}' }),
    async submit(job) {
      const answer = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify({ job }) });
      if (!answer.ok) throw new Error(`submit: ${answer.status} ${await answer.text()}`);
      return ((await answer.json()) as { id: string }).id;
    },
    async ended(id) {
      // A follow of the log ends when the job has.
      const log = await get(`/v1/jobs/${id}/log?follow=1`);
      for await (const _chunk of log.body ?? []);
      return (await (await get(`/v1/jobs/${id}`)).json()) as { state: string };
    },
    async [Symbol.asyncDispose]() {
      await end(agent);
      await tap[Symbol.asyncDispose]();
      await end(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** With RITMO_BENCH_PROFILE=FOLDER each process leaves a CPU profile there, for the developer tools of a browser. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const folder = process.env['RITMO_BENCH_PROFILE'];
  const profile = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  return spawn(process.execPath, [...profile, bin, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NODE_ENV: 'production', ...env },
  });
}

/** Resolves with the first group of the first match in what the program prints. */
async function lineOf(child: ChildProcess, pattern: RegExp): Promise<string> {
  let seen = '';
  return new Promise((resolve, reject) => {
    const look = (chunk: Buffer) => {
      if (seen.length > 100_000) return;
      seen += chunk.toString();
      const match = pattern.exec(seen);
      if (match) resolve(match[1] ?? match[0]);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${seen}`)));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}
