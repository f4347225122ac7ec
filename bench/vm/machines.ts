import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Workbench } from '../../packages/executor-vm/test/support/bench.js';
import { restores } from './restores.js';
import { best, fillWith, machinesMB, median, ms, never, prepared, print, step, timed } from './support.js';

const rounds = 8;
const outputMiB = 64;
const workspaceMiB = 50;
const memoryBytes = 1024 * 2 ** 20;

/** A job in a machine: restored beside booted, its first step, output, and the workspace in and out. */
export async function machines(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-bench-vm-'));
  chmodSync(root, 0o711);
  const cacheDir = join(root, 'cache');
  const load = () => (loadavg()[0] ?? 0).toFixed(1);
  print('load average at the begin', load(), '');
  try {
    {
      await using bench = await Workbench.open({ cacheDir, memoryBytes });
      const firstMs = await timed(async () => await (await prepared(bench))[Symbol.asyncDispose]());
      print('first job: boots, makes the template and the image', ms(firstMs), '');
      await restores(cacheDir, memoryBytes, rounds);
      const alone = await jobs(bench, 'from the template');
      await threeAtOnce(bench);
      await workspaces(bench, alone);
    }
    await using waiting = await Workbench.open({ cacheDir, memoryBytes, warmMachines: 1 });
    await (await prepared(waiting))[Symbol.asyncDispose]();
    await jobs(waiting, 'one waits', async () => {
      while ((await waiting.executor.probe(never())).facts['warmMachines'] !== 1) await sleep(10);
      await sleep(100);
      const [alone = 0] = machinesMB(waiting);
      return alone;
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  print('load average at the end', load(), '');
}

/** Jobs one after the other; resolves with how long each took to prepare. `before` tells the memory of what waits. */
async function jobs(bench: Workbench, how: string, before?: () => Promise<number>): Promise<number[]> {
  const [ready, first, ended, alone]: [number[], number[], number[], number[]] = [[], [], [], []];
  const [waiting, rest, after]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < rounds; i++) {
    if (before !== undefined) waiting.push(await before());
    await using sandbox = await prepared(bench);
    ready.push(sandbox.readyMs);
    alone.push(sandbox.preparedMs);
    // Another one is made meanwhile where machines wait.
    if (before === undefined) rest.push(Math.max(...machinesMB(bench)));
    const from = performance.now();
    let seenAt = 0;
    await step(sandbox, ['echo', 'x'], { write: () => void (seenAt ||= performance.now()) });
    first.push(sandbox.readyMs + seenAt - from);
    ended.push(sandbox.readyMs + performance.now() - from);
    if (before === undefined) after.push(Math.max(...machinesMB(bench)));
  }
  print(`allocate and prepare, ${how}`, ms(median(ready)), best(ready));
  print('  first byte of the first step', ms(median(first)), `${best(first)}; aim 700`);
  print('  end of the first step', ms(median(ended)), `${best(ended)}; aim 1,000`);
  if (before !== undefined)
    return (print('  private memory of what waits', `${median(waiting).toFixed(1)} MB`, 'aim 40'), alone);
  print('  private memory, ready and at rest', `${median(rest).toFixed(1)} MB`, 'aim 40');
  print('  private memory after a step', `${median(after).toFixed(1)} MB`, '');
  return alone;
}

async function threeAtOnce(bench: Workbench): Promise<void> {
  const from = performance.now();
  const three = await Promise.all([1, 2, 3].map(() => prepared(bench)));
  print('three at once, until all are ready', ms(performance.now() - from), '');
  await Promise.all(three.map((box) => box[Symbol.asyncDispose]()));
}

async function workspaces(bench: Workbench, alone: readonly number[]): Promise<void> {
  const filled: number[] = [];
  const out: number[] = [];
  for (let i = 0; i < 3; i++) {
    await using full = await prepared(bench, (path) => fillWith(path, workspaceMiB));
    filled.push(full.preparedMs);
    const all = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 10_000, maxBytes: 2 ** 30 };
    let files = 0;
    out.push(
      await timed(async () => {
        for await (const entry of full.collect(all, never())) if (entry.kind === 'file') files += 1;
      }),
    );
    if (files !== workspaceMiB * 40) throw new Error(`${files} files came`);
  }
  const more = `${ms(median(filled))} instead of ${ms(median(alone))}; aim 400 more`;
  print(`workspace of ${workspaceMiB} MiB in, longer to prepare by`, ms(median(filled) - median(alone)), more);
  print(`workspace of ${workspaceMiB} MiB out`, ms(median(out)), `${best(out)}; aim 1,500`);
  await using sandbox = await prepared(bench);
  let bytes = 0;
  const count = { write: (_: string, chunk: Uint8Array) => void (bytes += chunk.length) };
  const output = await timed(() => step(sandbox, ['dd', 'if=/dev/zero', 'bs=64k', `count=${outputMiB * 16}`], count));
  if (bytes < outputMiB * 2 ** 20) throw new Error(`${bytes} bytes of output came`);
  print('output', `${Math.round((outputMiB * 2 ** 20) / output / 1_000)} MB/s`, 'aim 40');
}
