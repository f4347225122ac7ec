import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OutputWriter, Sandbox } from '@ritmo/agent-core/executor';
import { findByEnvironment } from '@ritmo/host-linux';
import { scope, Workbench } from '../../packages/executor-vm/test/support/bench.js';

const rounds = 8;
const outputMiB = 64;
const workspaceMiB = 50;

/** A job in a machine: restored beside booted, its first step, output, and the workspace in and out. */
export async function machines(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-bench-vm-'));
  chmodSync(root, 0o711);
  try {
    await using bench = await Workbench.open({ cacheDir: join(root, 'cache'), memoryBytes: 1024 * 2 ** 20 });
    const prepare = async (fill: (path: string) => void = () => undefined) => {
      const { volume, request } = await bench.volume({ network: 'none' });
      fill(volume.hostPath);
      const from = performance.now();
      const sandbox = await bench.executor.prepare(request, volume, scope());
      return Object.assign(sandbox, { preparedMs: performance.now() - from, id: request.sandboxId });
    };
    const firstMs = await timed(async () => {
      await using _ = await prepare();
    });
    const [ready, first, ended, memory, alone]: [number[], number[], number[], number[], number[]] = [
      [],
      [],
      [],
      [],
      [],
    ];
    for (let i = 0; i < rounds; i++) {
      const from = performance.now();
      await using sandbox = await prepare();
      ready.push(performance.now() - from);
      let seenAt = 0;
      await step(sandbox, ['echo', 'x'], { write: () => void (seenAt ||= performance.now()) });
      first.push(seenAt - from);
      ended.push(performance.now() - from);
      alone.push(sandbox.preparedMs);
      memory.push(privateMiB(`RITMO_VM=${bench.host.ownerId}/${sandbox.id}`));
    }
    print('first job: boots, makes the template and the image', ms(firstMs), '');
    print('allocate and prepare, from the template', ms(median(ready)), `best ${ms(Math.min(...ready))}`);
    print('first byte of the first step', ms(median(first)), `best ${ms(Math.min(...first))}; aim 700`);
    print('end of the first step', ms(median(ended)), `best ${ms(Math.min(...ended))}; aim 1,000`);
    print('private memory of a machine at rest', `${Math.round(median(memory))} MiB`, 'aim 40');
    const filled: number[] = [];
    for (let i = 0; i < 3; i++) {
      await using full = await prepare((path) => fillWith(path));
      filled.push(full.preparedMs);
    }
    const more = `${ms(median(filled))} instead of ${ms(median(alone))}; aim 400 more`;
    print(`workspace of ${workspaceMiB} MiB in, longer to prepare by`, ms(median(filled) - median(alone)), more);
    await using sandbox = await prepare((path) => fillWith(path));
    let bytes = 0;
    const count = { write: (_: string, chunk: Uint8Array) => void (bytes += chunk.length) };
    const output = await timed(() => step(sandbox, ['dd', 'if=/dev/zero', 'bs=64k', `count=${outputMiB * 16}`], count));
    if (bytes < outputMiB * 2 ** 20) throw new Error(`${bytes} bytes of output came`);
    print('output', `${Math.round((outputMiB * 1_000) / output)} MiB/s`, 'aim 40');
    const out = await timed(async () => {
      const all = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 10_000, maxBytes: 2 ** 30 };
      for await (const entry of sandbox.collect(all, never())) if (entry.kind === 'file') bytes += entry.size;
    });
    print(`workspace of ${workspaceMiB} MiB out`, ms(out), 'aim 1,500');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function fillWith(path: string): void {
  for (let i = 0; i < workspaceMiB * 40; i++) writeFileSync(join(path, `file-${i}`), Buffer.alloc(2 ** 20 / 40, i + 1));
}

/** Pages that QEMU shares with nobody. */
function privateMiB(mark: string): number {
  const sizes = findByEnvironment(mark).map(({ pid }) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024;
  });
  return Math.max(...sizes);
}

async function step(sandbox: Sandbox, argv: [string, ...string[]], output: OutputWriter): Promise<void> {
  const stop = { signal: 'SIGTERM', graceMs: 1_000 } as const;
  const exit = await sandbox.run({ id: 'step', argv, env: {} }, { signal: never(), stop, output });
  if (exit.status !== 'exited' || exit.code !== 0) throw new Error(JSON.stringify(exit));
}

async function timed(work: () => Promise<void>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const ms = (value: number) => `${Math.round(value)} ms`;
const never = () => new AbortController().signal;
const print = (what: string, value: string, note: string) =>
  process.stdout.write(`  ${what.padEnd(52)} ${value.padStart(10)}  ${note}\n`);
