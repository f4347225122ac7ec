import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutorHost, Logger, OutputWriter, Sandbox, SandboxRequest } from '@ritmo/agent-core/executor';
import { processExecutor } from '@ritmo/executor-process';

const rounds = 40;
const outputMiB = 512;

/** Start, whole job and output of the process executor, each beside a bare `spawn` of the same run. */
export async function processStart(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-bench-process-'));
  chmodSync(root, 0o711);
  try {
    for (const level of ['sandbox', 'bare'] as const) await measure(level, root);
    await measureLimits(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function measure(level: 'sandbox' | 'bare', stateDir: string): Promise<void> {
  await using executor = await processExecutor({ level }).open(hostIn(stateDir, `bench-${level}`));
  const request = requestOf(level === 'sandbox' ? 'none' : 'host');
  const other = { sandboxId: 'bench-planned', slot: 1 };
  const scope = { signal: never(), progress: () => undefined, record: () => Promise.resolve() };
  const prepare = async () => await executor.prepare(request, await executor.allocate(request, scope), scope);

  const floor: number[] = [];
  const starts: number[] = [];
  const ahead: number[] = [];
  {
    await using sandbox = await prepare();
    await step(sandbox, ['true']);
    for (let i = 0; i < rounds; i++) {
      floor.push(await timed(() => spawned(['true'])));
      starts.push(await timed(() => step(sandbox, ['true'])));
    }
    await using planned = await executor.prepare(
      { ...request, ...other, steps: rounds },
      await executor.allocate({ ...request, ...other, steps: rounds }, scope),
      scope,
    );
    for (let i = 0; i < rounds; i++) {
      // As long as an agent takes to write down what a step has said.
      await sleep(30);
      ahead.push(await timed(() => step(planned, ['true'])));
    }
    const script = `yes "[12:34:56] building target foo/bar/baz.c -O2 -Wall with some more text to be a line." | head -c ${outputMiB}M`;
    let bytes = 0;
    const write = (_: string, chunk: Uint8Array) => void (bytes += chunk.length);
    const ms = await timed(() => step(sandbox, ['sh', '-c', script], { write }));
    const floorMs = await timed(() => spawned(['sh', '-c', script]));
    if (bytes !== outputMiB * 2 ** 20) throw new Error(`${bytes} bytes of output came`);
    print(`${level}: output`, `${rate(ms)} MiB/s`, `spawn ${rate(floorMs)} MiB/s; aim 250`);
  }
  const jobs: number[] = [];
  for (let i = 0; i < rounds; i++) {
    jobs.push(
      await timed(async () => {
        await using sandbox = await prepare();
        await step(sandbox, ['true']);
      }),
    );
  }
  const over = median(starts) - median(floor);
  const aim = level === 'sandbox' ? '; aim 12 over' : '';
  print(
    `${level}: start of \`true\``,
    `${ms1(median(starts))} (best ${ms1(Math.min(...starts))})`,
    `spawn ${ms1(median(floor))} (best ${ms1(Math.min(...floor))}), ${ms1(over)} over${aim}`,
  );
  print(
    `${level}: start of a planned \`true\``,
    `${ms1(median(ahead))} (best ${ms1(Math.min(...ahead))})`,
    `${ms1(median(ahead) - median(floor))} over${aim}`,
  );
  print(`${level}: allocate, prepare, \`true\`, dispose`, ms1(median(jobs)), `best ${ms1(Math.min(...jobs))}`);
}

/** What each promise beyond the bare sandbox adds. */
async function measureLimits(stateDir: string): Promise<void> {
  await using executor = await processExecutor().open(hostIn(stateDir, 'bench-limits'));
  const { capabilities } = executor;
  const scope = { signal: never(), progress: () => undefined, record: () => Promise.resolve() };
  const prepare = async (over: Partial<SandboxRequest>) => {
    const request = { ...requestOf('none'), ...over };
    return await executor.prepare(request, await executor.allocate(request, scope), scope);
  };
  const wholeJob = async (over: Partial<SandboxRequest>, steps = 1) => {
    const figures: number[] = [];
    for (let i = 0; i < rounds / 2; i++) {
      figures.push(
        await timed(async () => {
          await using sandbox = await prepare({ ...over, steps });
          for (let n = 0; n < steps; n++) await step(sandbox, ['echo', String(n)]);
        }),
      );
    }
    return median(figures);
  };
  const plain = await wholeJob({});
  print('sandbox: whole job, network none', ms1(plain), '');
  const limits = { memoryBytes: 2 ** 30, pids: 1_000, cpus: 1 };
  if (capabilities.limits.includes('memory')) {
    print('sandbox: whole job with memory, cpu, pids', ms1(await wholeJob({ limits })), '');
    print('sandbox: start of a planned `true` with memory, cpu, pids', ...(await plannedStarts(prepare, limits)));
  }
  const withDisk = await wholeJob({ limits: { diskBytes: 10 * 2 ** 30 } });
  print('sandbox: whole job with a disk of 10 GiB', ms1(withDisk), `${ms1(withDisk - plain)} over; aim 70 over`);
  if (capabilities.network.includes('isolated')) {
    print('sandbox: whole job, network isolated', ms1(await wholeJob({ network: 'isolated' })), '');
  }
  print('sandbox: job of 3 steps', ms1(await wholeJob({}, 3)), 'aim 100');
  print('sandbox: kill of 50 processes', ms1(median(await kills(prepare))), 'aim 20');
  print('agent memory for an idle build', `${(await idleBytes(prepare)).toFixed(2)} MiB`, 'aim 2');
}

/** Median start of steps whose sandbox had 30 ms to be made, and what it is over a bare spawn of the same run. */
async function plannedStarts(
  prepare: (over: Partial<SandboxRequest>) => Promise<Sandbox>,
  limits: SandboxRequest['limits'],
): Promise<[string, string]> {
  await using sandbox = await prepare({ limits, steps: rounds });
  const starts: number[] = [];
  const floor: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await sleep(30);
    floor.push(await timed(() => spawned(['true'])));
    starts.push(await timed(() => step(sandbox, ['true'])));
  }
  return [
    `${ms1(median(starts))} (best ${ms1(Math.min(...starts))})`,
    `${ms1(median(starts) - median(floor))} over; aim 25 over`,
  ];
}

async function kills(prepare: (over: Partial<SandboxRequest>) => Promise<Sandbox>): Promise<number[]> {
  const figures: number[] = [];
  await using sandbox = await prepare({});
  for (let i = 0; i < 7; i++) {
    const cancel = new AbortController();
    let printed = '';
    let up = () => undefined as void;
    const ready = new Promise<void>((resolve) => (up = resolve));
    const script = 'i=0; while [ $i -lt 50 ]; do setsid sleep 600 & i=$((i+1)); done; echo up; wait';
    const write = (_: string, bytes: Uint8Array) => {
      printed += Buffer.from(bytes).toString();
      if (printed.includes('up')) up();
    };
    const run = sandbox.run(
      { id: 'kill', argv: ['sh', '-c', script], env: {} },
      { signal: cancel.signal, stop: { signal: 'SIGTERM', graceMs: 0 }, output: { write } },
    );
    await ready;
    figures.push(
      await timed(async () => {
        cancel.abort({ reason: 'user', graceMs: 0 });
        await run;
      }),
    );
  }
  return figures;
}

/** MiB of resident memory that each of 20 sandboxes adds, each in the middle of a step that waits. */
async function idleBytes(prepare: (over: Partial<SandboxRequest>) => Promise<Sandbox>): Promise<number> {
  const builds = 20;
  const before = process.memoryUsage().rss;
  const cancel = new AbortController();
  const sandboxes = await Promise.all(
    Array.from({ length: builds }, (_, slot) => prepare({ sandboxId: `idle-${slot}`, slot })),
  );
  const runs = sandboxes.map((sandbox) =>
    sandbox.run(
      { id: 'idle', argv: ['sleep', '600'], env: {} },
      { signal: cancel.signal, stop: { signal: 'SIGTERM', graceMs: 0 }, output: { write: () => undefined } },
    ),
  );
  await sleep(1_000);
  const grown = process.memoryUsage().rss - before;
  cancel.abort({ reason: 'user', graceMs: 0 });
  await Promise.all(runs);
  await Promise.all(sandboxes.map((sandbox) => sandbox[Symbol.asyncDispose]()));
  return grown / builds / 2 ** 20;
}

async function step(
  sandbox: Sandbox,
  argv: readonly [string, ...string[]],
  output: OutputWriter = { write: () => undefined },
) {
  const exit = await sandbox.run(
    { id: 'bench', argv, env: {} },
    { signal: never(), stop: { signal: 'SIGTERM', graceMs: 1_000 }, output },
  );
  if (exit.status !== 'exited' || exit.code !== 0) throw new Error(`the step ended as ${JSON.stringify(exit)}`);
}

function spawned([file, ...args]: readonly [string, ...string[]]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout.resume();
    child.stderr.resume();
    child.once('error', reject);
    child.once('close', () => resolve());
  });
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

function requestOf(network: SandboxRequest['network']): SandboxRequest {
  return {
    jobId: 'bench',
    epoch: 1,
    sandboxId: 'bench',
    slot: 0,
    services: [],
    network,
    limits: {},
    profile: 'standard',
    deadlineMs: 600_000,
    onLost: 'fail',
  };
}

function hostIn(stateDir: string, ownerId: string): ExecutorHost {
  const log: Logger = { child: () => log, debug: nothing, info: nothing, warn: nothing, error: nothing };
  return {
    ownerId,
    stateDir,
    log,
    clock: {
      now: () => Date.now(),
      monotonic: () => performance.now(),
      sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
    },
  };
}

const nothing = () => undefined;
const never = () => new AbortController().signal;
const median = (figures: readonly number[]) => figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? 0;
const ms1 = (ms: number) => `${ms.toFixed(1)} ms`;
const rate = (ms: number) => Math.round(outputMiB / (ms / 1_000));
const print = (what: string, figure: string, beside: string) =>
  process.stdout.write(`${what.padEnd(46)} ${figure.padEnd(26)} ${beside}\n`);
