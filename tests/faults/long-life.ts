import { readdir, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Lab } from './storm/lab.js';

/** `pnpm long-life [--jobs N]`: one worker, many real jobs, and what its process holds after each tenth of them. */
const { values } = parseArgs({ options: { jobs: { type: 'string' } } });
const jobs = Number(values.jobs ?? 2_000);
const atOnce = 12;
/** The first jobs warm up: caches fill, the heap finds its size. */
const warm = Math.ceil(jobs / 5);

interface Held {
  readonly jobs: number;
  readonly residentMiB: number;
  readonly files: number;
  readonly threads: number;
  readonly names: number;
}

async function held(lab: Lab, done: number): Promise<Held> {
  const pid = lab.agent?.pid ?? 0;
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const names = await Promise.all(['journal', 'spool', 'staging'].map((name) => readdir(`${lab.stateDir}/${name}`)));
  return {
    jobs: done,
    residentMiB: Math.round(field('VmRSS') / 1024),
    files: (await readdir(`/proc/${pid}/fd`)).length,
    threads: field('Threads'),
    names: names.flat().length,
  };
}

await using lab = await Lab.open();
const looks: Held[] = [];
let done = 0;
let next = Math.ceil(jobs / 10);
async function worker(): Promise<void> {
  while (done < jobs) {
    done += 1;
    const id = await lab.submit({ name: `job ${done}`, steps: [{ run: 'echo hello' }] });
    for (;;) {
      const { state } = await lab.job(id);
      if (state === 'succeeded') break;
      if (!['queued', 'offered', 'running'].includes(state)) throw new Error(`job ${id} is ${state}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (done < next) continue;
    next += Math.ceil(jobs / 10);
    looks.push(await held(lab, done));
    process.stdout.write(`${JSON.stringify(looks.at(-1))}\n`);
  }
}
await Promise.all(Array.from({ length: atOnce }, worker));
const exitCode = await lab.agent?.end('SIGTERM');
const settled = looks.filter((look) => look.jobs >= warm);
const first = settled[0];
const last = settled.at(-1);
const grown =
  !first ||
  !last ||
  last.residentMiB > first.residentMiB * 1.25 + 10 ||
  last.files > first.files + 2 * atOnce ||
  last.threads > first.threads + 4;
process.stdout.write(`${grown ? 'GREW' : 'did not grow'}; the agent ended with ${exitCode}\n`);
process.exitCode = grown || exitCode !== 0 ? 1 : 0;
