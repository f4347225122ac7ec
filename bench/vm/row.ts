import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findByEnvironment } from '@ritmo/host-linux';
import { sh, Workbench } from '../../packages/executor-vm/test/support/bench.js';
import { footprint, type Footprint } from '../../tests/support/footprint.js';

const warmUp = 5;
const jobs = 50;
/** Until the network of the next job is ready. */
const settleMs = 2_000;
const mebibyte = 2 ** 20;

/** Many jobs in a row: what the executor and its host have more after them. */
export async function vmRow(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-bench-row-'));
  chmodSync(root, 0o711);
  const cacheDir = join(root, 'cache');
  try {
    await using bench = await Workbench.open({ cacheDir });
    const look = () => ({ ...footprint([bench.root, cacheDir]), ...memory() });
    for (let i = 0; i < warmUp; i++) await job(bench);
    await sleep(settleMs);
    const before = look();
    const times: number[] = [];
    for (let i = 0; i < jobs; i++) {
      const from = performance.now();
      await job(bench);
      times.push(performance.now() - from);
    }
    await sleep(settleMs);
    const after = look();
    times.sort((a, b) => a - b);
    print(`${jobs} jobs, each`, `${Math.round(times[jobs >> 1] ?? 0)} ms`, 'median, from its folders to their end');
    for (const key of ['descriptors', 'files', 'mounts', 'processes'] satisfies Array<keyof Footprint>)
      print(`${key} after ${warmUp} jobs, after ${warmUp + jobs}`, `${before[key]}, ${after[key]}`, 'aim: no more');
    print('memory of the agent, resident', `${before.resident} to ${after.resident} MiB`, '');
    print('its heap', `${before.heap} to ${after.heap} MiB`, '');
    print('processes of machines', String(findByEnvironment(`RITMO_VM=${bench.host.ownerId}/`).length), 'aim 0');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function job(bench: Workbench): Promise<void> {
  // Of one slot: for each, the network of the next job is made ready.
  const box = await bench.sandbox({ slot: 0 });
  const { stdout } = await sh(box, 'echo text > file; cat file');
  if (stdout !== 'text\n') throw new Error(`a step said ${JSON.stringify(stdout)}`);
  const all = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 100, maxBytes: mebibyte };
  for await (const entry of box.collect(all, new AbortController().signal))
    if (entry.path !== 'file') throw new Error(`there is ${entry.path}`);
  await box[Symbol.asyncDispose]();
}

/** After a collection where `--expose-gc` allows one. */
function memory() {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { resident: Math.round(rss / mebibyte), heap: Math.round(heapUsed / mebibyte) };
}

const print = (what: string, value: string, note: string) =>
  process.stdout.write(`  ${what.padEnd(52)} ${value.padStart(14)}  ${note}\n`);
