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
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function measure(level: 'sandbox' | 'bare', stateDir: string): Promise<void> {
  await using executor = await processExecutor({ level }).open(hostIn(stateDir, `bench-${level}`));
  const request = requestOf(executor.capabilities.defaultNetwork);
  const scope = { signal: never(), progress: () => undefined, record: () => Promise.resolve() };
  const prepare = async () => await executor.prepare(request, await executor.allocate(request, scope), scope);

  const floor: number[] = [];
  const starts: number[] = [];
  {
    await using sandbox = await prepare();
    await step(sandbox, ['true']);
    for (let i = 0; i < rounds; i++) {
      floor.push(await timed(() => spawned(['true'])));
      starts.push(await timed(() => step(sandbox, ['true'])));
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
  print(`${level}: allocate, prepare, \`true\`, dispose`, ms1(median(jobs)), `best ${ms1(Math.min(...jobs))}`);
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
