import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@ritmo/agent-core';
import type { Executor, Network, OutputWriter, Sandbox, SandboxRequest } from '@ritmo/agent-core/executor';
import { dockerExecutor } from '@ritmo/executor-docker';
import { figure, milliseconds, percentile } from './figures.js';

const run = promisify(execFile);
const rounds = 9;
const jobsAtOnce = 20;
const floodBlocks = 15_259;
const image = process.env['BENCH_IMAGE'] ?? 'busybox';
const silent: OutputWriter = { write: () => undefined };

/** The docker executor beside one `docker run --rm` with the same commands; BENCH_IMAGE names an image that is there. */
export async function docker(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-bench-'));
  await chmod(root, 0o711);
  try {
    await mkdir(join(root, 'state'));
    const host = {
      ownerId: `bench-${randomUUID()}`,
      stateDir: join(root, 'state'),
      log: silentLogger,
      clock: systemClock,
    };
    await using executor = await dockerExecutor().open(host);
    for (const network of ['none', executor.capabilities.defaultNetwork] as const) await threeSteps(executor, network);
    await output(executor);
    await atOnce(executor);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function threeSteps(executor: Executor, network: Network): Promise<void> {
  const floor: number[] = [];
  const lastExit: number[] = [];
  const removed: number[] = [];
  const steps: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await timed(() => dockerRun(network)));
    const begin = performance.now();
    const box = await sandbox(executor, network);
    for (const id of ['one', 'two', 'three']) steps.push(await timed(() => step(box, `step-${id}`, `echo ${id}`)));
    lastExit.push(performance.now() - begin);
    await box[Symbol.asyncDispose]();
    removed.push(performance.now() - begin);
  }
  const p50 = (values: readonly number[]) => percentile(values, 0.5);
  const against = (values: readonly number[]) => p50(values) / p50(floor);
  figure(`network ${network}: docker run --rm, three commands`, milliseconds(p50(floor)), '', undefined);
  figure(
    `network ${network}: to the last step's end`,
    ratio(lastExit, against),
    '<= 0.95 x',
    against(lastExit) <= 0.95,
  );
  figure(`network ${network}: to removal`, ratio(removed, against), '<= 1.15 x', against(removed) <= 1.15);
  figure(`network ${network}: one step, p50`, milliseconds(p50(steps)), '< 5 ms', p50(steps) < 5);
}

function ratio(values: readonly number[], against: (values: readonly number[]) => number): string {
  return `${milliseconds(percentile(values, 0.5))} (${against(values).toFixed(2)} x)`;
}

async function output(executor: Executor): Promise<void> {
  await using box = await sandbox(executor, 'none');
  let bytes = 0;
  let peak = 0;
  const writer: OutputWriter = {
    write: (_, chunk) => {
      bytes += chunk.length;
      if (bytes % 2 ** 24 < chunk.length) peak = Math.max(peak, process.memoryUsage().rss);
    },
  };
  const ms = await timed(() => step(box, 'flood', `dd if=/dev/zero bs=65536 count=${floodBlocks} 2>/dev/null`, writer));
  const speed = bytes / 1e3 / ms;
  figure('1 GB of output, to the writer', `${speed.toFixed(0)} MB/s`, '>= 150 MB/s', speed >= 150);
  figure('memory of this process meanwhile', `${(peak / 2 ** 20).toFixed(0)} MiB`, '< 200 MiB', peak < 200 * 2 ** 20);
}

async function atOnce(executor: Executor): Promise<void> {
  const many = Array.from({ length: jobsAtOnce });
  const floor = await timed(() => Promise.all(many.map(() => dockerRun('none'))));
  const ours = await timed(() =>
    Promise.all(
      many.map(async () => {
        await using box = await sandbox(executor, 'none');
        for (const id of ['one', 'two', 'three']) await step(box, `step-${id}`, `echo ${id}`);
      }),
    ),
  );
  figure(`${jobsAtOnce} docker run at once`, milliseconds(floor), '', undefined);
  figure(`${jobsAtOnce} jobs at once`, `${milliseconds(ours)} (${(ours / floor).toFixed(2)} x)`, '', undefined);
}

async function dockerRun(network: Network): Promise<void> {
  const where = network === 'none' ? 'none' : 'bridge';
  await run('docker', ['run', '--rm', '--network', where, image, 'sh', '-c', 'echo one; echo two; echo three']);
}

async function sandbox(executor: Executor, network: Network): Promise<Sandbox> {
  const sandboxId = randomUUID();
  const request: SandboxRequest = {
    ...{ jobId: sandboxId, sandboxId, epoch: 1, slot: 0, services: [], network, limits: {}, profile: 'standard' },
    ...{ deadlineMs: 600_000, onLost: 'fail', image: { reference: image, pull: ['never'] } },
  };
  const scope = {
    signal: new AbortController().signal,
    progress: () => undefined,
    record: () => Promise.resolve(),
  };
  return await executor.prepare(request, await executor.allocate(request, scope), scope);
}

async function step(box: Sandbox, id: string, script: string, writer = silent): Promise<void> {
  const exit = await box.run(
    { id, argv: ['/bin/sh', '-c', script], env: {} },
    { signal: new AbortController().signal, stop: { signal: 'SIGTERM', graceMs: 0 }, output: writer },
  );
  if (exit.status !== 'exited' || exit.code !== 0) throw new Error(`a step ended with ${JSON.stringify(exit)}`);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
