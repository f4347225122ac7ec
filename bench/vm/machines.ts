import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutorHost, Logger, OutputWriter, Sandbox, SandboxRequest } from '@ritmo/agent-core/executor';
import { vmExecutor } from '@ritmo/executor-vm';
import { findByEnvironment } from '@ritmo/host-linux';

const rounds = 8;
const outputMiB = 64;
const workspaceMiB = 50;

/** A job in a machine: restored beside booted, its first step, output, and the workspace in and out. */
export async function machines(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-bench-vm-'));
  chmodSync(root, 0o711);
  try {
    const kernel = process.env['RITMO_BENCH_KERNEL'];
    await using executor = await vmExecutor({
      ...(kernel === undefined ? {} : { kernel }),
      cacheDir: join(root, 'cache'),
      docker: 'none',
      images: { busybox: { folder: busyboxFolder(join(root, 'image')) } },
      defaultImage: 'busybox',
    }).open(hostIn(root));
    const scope = { signal: never(), progress: () => undefined, record: () => Promise.resolve() };
    const prepare = async (fill: (path: string) => void = () => undefined) => {
      const volume = await executor.allocate(request, scope);
      fill(volume.hostPath);
      return await executor.prepare(request, volume, scope);
    };
    const firstMs = await timed(async () => {
      await using _ = await prepare();
    });
    const [ready, first, ended, memory]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let i = 0; i < rounds; i++) {
      const from = performance.now();
      await using sandbox = await prepare();
      ready.push(performance.now() - from);
      let seenAt = 0;
      await step(sandbox, ['echo', 'x'], { write: () => void (seenAt ||= performance.now()) });
      first.push(seenAt - from);
      ended.push(performance.now() - from);
      memory.push(privateMiB());
    }
    print('first job: boots, makes the template and the image', ms(firstMs), '');
    print('allocate and prepare, from the template', ms(median(ready)), `best ${ms(Math.min(...ready))}`);
    print('first byte of the first step', ms(median(first)), `best ${ms(Math.min(...first))}; aim 700`);
    print('end of the first step', ms(median(ended)), `best ${ms(Math.min(...ended))}; aim 1,000`);
    print('private memory of a machine at rest', `${Math.round(median(memory))} MiB`, 'aim 40');
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
  for (let i = 0; i < workspaceMiB; i++) writeFileSync(join(path, `file-${i}`), Buffer.alloc(2 ** 20, i + 1));
}

/** Pages that QEMU shares with nobody. */
function privateMiB(): number {
  const sizes = findByEnvironment('RITMO_VM=bench/job').map(({ pid }) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Private_Dirty:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) / 1024;
  });
  return Math.max(...sizes);
}

function busyboxFolder(root: string): string {
  const busybox = '/usr/bin/busybox';
  for (const name of ['bin', 'etc', 'tmp', 'root']) mkdirSync(join(root, name), { recursive: true });
  copyFileSync(busybox, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const name of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  }
  return root;
}

const request: SandboxRequest = {
  jobId: 'job',
  epoch: 1,
  sandboxId: 'job',
  slot: 0,
  services: [],
  network: 'none',
  limits: {},
  profile: 'standard',
  deadlineMs: 600_000,
  onLost: 'fail',
};

async function step(sandbox: Sandbox, argv: [string, ...string[]], output: OutputWriter): Promise<void> {
  const scope = { signal: never(), stop: { signal: 'SIGTERM', graceMs: 1_000 }, output } as const;
  const exit = await sandbox.run({ id: 'step', argv, env: {} }, scope);
  if (exit.status !== 'exited' || exit.code !== 0) throw new Error(JSON.stringify(exit));
}

function hostIn(stateDir: string): ExecutorHost {
  const nothing = () => undefined;
  const log: Logger = { child: () => log, debug: nothing, info: nothing, warn: nothing, error: nothing };
  return {
    ownerId: 'bench',
    stateDir,
    log,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (time, signal) => sleep(time, undefined, signal === undefined ? {} : { signal }),
    },
  };
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
