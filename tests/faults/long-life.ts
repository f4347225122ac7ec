import { readdir, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import buildPackages from '../support/build-packages.js';
import { Lab } from './storm/lab.js';

/** `pnpm long-life [--jobs N]`: one worker, many real jobs, and what its process holds after each tenth of them. */
const { values } = parseArgs({ options: { jobs: { type: 'string', default: '2000' } } });
const jobs = Number(values.jobs);
buildPackages();
const atOnce = 12;
/** The first jobs warm up: caches fill, the heap finds its size. */
const warm = Math.ceil(jobs / 5);
/** Of each kind that a process may hold more of at the end than after the warm-up: calls that happen to be under way. */
const slack = 2 * atOnce;

interface Held {
  readonly jobs: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly files: number;
  readonly threads: number;
  readonly timers: number;
  readonly handles: number;
  /** In the folders of journal, spool and staging. */
  readonly names: number;
  /** Lines that the agent has logged. */
  readonly lines: number;
}

/** From outside where the kernel tells, else from the agent's own metrics. */
async function held(lab: Lab, done: number): Promise<Held> {
  const pid = lab.agent?.pid ?? 0;
  const [status, metrics] = await Promise.all([
    readFile(`/proc/${pid}/status`, 'utf8'),
    fetch(`${lab.healthUrl}/metrics`).then((answer) => answer.text()),
  ]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const metric = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1] ?? 0);
  const names = await Promise.all(['journal', 'spool', 'staging'].map((name) => readdir(`${lab.stateDir}/${name}`)));
  return {
    jobs: done,
    residentMiB: Math.round(field('VmRSS') / 1024),
    heapMiB: Math.round(metric('nodejs_heap_size_used_bytes') / 1024 ** 2),
    files: (await readdir(`/proc/${pid}/fd`)).length,
    threads: field('Threads'),
    timers: metric('nodejs_active_resources\\{type="Timeout"\\}'),
    handles: metric('nodejs_active_handles_total'),
    names: names.flat().length,
    lines: lab.agent?.lines ?? 0,
  };
}

await using lab = await Lab.open();
const looks: Held[] = [];
let begun = 0;
let ended = 0;
let next = Math.ceil(jobs / 10);
async function runJobs(): Promise<void> {
  while (begun < jobs) {
    begun += 1;
    const id = await lab.submit({ name: `job ${begun}`, steps: [{ run: 'echo hello' }] });
    for (;;) {
      const { state } = await lab.job(id);
      if (state === 'succeeded') break;
      if (!['queued', 'offered', 'running'].includes(state)) throw new Error(`job ${id} is ${state}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    ended += 1;
    if (ended < next) continue;
    next += Math.ceil(jobs / 10);
    looks.push(await held(lab, ended));
    process.stdout.write(`${JSON.stringify(looks.at(-1))}\n`);
  }
}
await Promise.all(Array.from({ length: atOnce }, runJobs));
const exitCode = await lab.agent?.end('SIGTERM');
const [first] = looks.filter((look) => look.jobs >= warm);
const last = looks.at(-1);
const grown: string[] = [];
for (const kind of ['files', 'timers', 'handles', 'names'] as const)
  if (!first || !last || last[kind] > first[kind] + slack) grown.push(kind);
for (const kind of ['residentMiB', 'heapMiB'] as const)
  if (!first || !last || last[kind] > first[kind] * 1.25 + 10) grown.push(kind);
if (!first || !last || last.threads > first.threads + 4) grown.push('threads');
process.stdout.write(
  `${grown.length > 0 ? `GREW: ${grown.join(', ')}` : 'did not grow'}; the agent ended with ${exitCode}\n`,
);
process.exitCode = grown.length > 0 || exitCode !== 0 ? 1 : 0;
