import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@ritmo/agent-core';
import type { Executor, Network, OutputWriter, Sandbox, SandboxRequest } from '@ritmo/agent-core/executor';
import { dockerExecutor } from '@ritmo/executor-docker';
import { LogRecorder, MaskSet } from '../../packages/core/src/log/index.js';
import { answers, findDockerd, startDaemon } from '../../packages/executor-docker/test/support/daemon.js';
import { busyboxImage, makeBusyboxImage } from '../../packages/executor-docker/test/support/images.js';
import { figure, mebibytes, milliseconds, percentile } from './figures.js';

const run = promisify(execFile);
const rounds = 9;
const jobsAtOnce = 20;
const floodBytes = 1_000_000_000;
const image = busyboxImage;
/** Lines of a hundred bytes, as fast as busybox can print them. */
const flood = `yes ${'x'.repeat(99)} | head -c ${floodBytes}`;
const silent: OutputWriter = { write: () => undefined };

/** The docker executor beside one `docker run --rm` with the same commands, on a daemon of its own where none runs. */
export async function docker(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-bench-'));
  await chmod(root, 0o711);
  const dockerd = findDockerd();
  const runs = process.env['DOCKER_HOST'] !== undefined || (await answers('/var/run/docker.sock'));
  const daemon = runs || dockerd === undefined ? undefined : await startDaemon(dockerd, 'host');
  if (daemon !== undefined) process.env['DOCKER_HOST'] = `unix://${daemon.socket}`;
  try {
    await makeBusyboxImage();
    await mkdir(join(root, 'state'));
    const host = {
      ownerId: `bench-${randomUUID()}`,
      stateDir: join(root, 'state'),
      log: silentLogger,
      clock: systemClock,
    };
    await using executor = await dockerExecutor().open(host);
    await threeSteps(executor, 'none', 'none');
    const { defaultNetwork } = executor.capabilities;
    if (defaultNetwork !== 'none') {
      figure(
        'docker run --rm on the bridge of Docker itself',
        milliseconds(await p50Of(() => dockerRun('bridge'))),
        '',
        undefined,
      );
      await threeSteps(executor, defaultNetwork, await sameNetwork(executor, host.ownerId));
    }
    await output(executor, root);
    await atOnce(executor);
  } finally {
    await daemon?.[Symbol.asyncDispose]();
    if (daemon !== undefined) delete process.env['DOCKER_HOST'];
    await rm(root, { recursive: true, force: true });
  }
}

/** The network that our jobs stand on, by the daemon's name: both sides are to be on the same. */
async function sameNetwork(executor: Executor, owner: string): Promise<string> {
  await using _ = await sandbox(executor, executor.capabilities.defaultNetwork);
  const label = `label=dev.ritmo.owner=${owner}`;
  const { stdout } = await run('docker', ['network', 'ls', '--filter', label, '--format', '{{.Name}}']);
  return stdout.trim();
}

async function p50Of(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) times.push(await timed(work));
  return percentile(times, 0.5);
}

async function threeSteps(executor: Executor, network: Network, where: string): Promise<void> {
  const floor: number[] = [];
  const lastExit: number[] = [];
  const removed: number[] = [];
  const steps: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    floor.push(await timed(() => dockerRun(where)));
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

/** Bytes on disk below the daemon's folder. */
async function daemonBytes(): Promise<number> {
  const { stdout: folder } = await run('docker', ['info', '--format', '{{.DockerRootDir}}']);
  // Something may vanish while it is counted.
  const { stdout } = await run('sh', ['-c', 'du -s -x -B1 "$1" 2>/dev/null; :', 'sh', folder.trim()]);
  return Number(stdout.split('\t')[0]);
}

async function output(executor: Executor, root: string): Promise<void> {
  await using box = await sandbox(executor, 'none');
  let bytes = 0;
  let peak = 0;
  const counted = (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes % 2 ** 24 < chunk.length) peak = Math.max(peak, process.memoryUsage().rss);
  };
  const spent = process.cpuUsage();
  const plain = await timed(() => step(box, 'flood', flood, { write: (_, chunk) => counted(chunk) }));
  const { user, system } = process.cpuUsage(spent);
  figure('1 GB of output, to a writer', `${speed(bytes, plain).toFixed(0)} MB/s`, '', undefined);
  figure(
    'the same, for each second of CPU here',
    `${speed(bytes, (user + system) / 1e3).toFixed(0)} MB`,
    '',
    undefined,
  );
  bytes = 0;
  const path = join(root, 'spool');
  const options = {
    path,
    jobId: 'bench',
    epoch: 1,
    clock: systemClock,
    masks: new MaskSet(),
    maxBytes: floodBytes * 4,
  };
  await using recorder = await LogRecorder.open(options);
  recorder.stepStarted(0, 'flood', 'flood');
  const log = recorder.output(0);
  const write: OutputWriter['write'] = (stream, chunk) => {
    counted(chunk);
    return log.write(stream, chunk);
  };
  const plainWrite = await timed(() => run('sh', ['-c', `${flood} > "$1"; rm "$1"`, 'sh', join(root, 'plain')]));
  figure('floor: the same printed into a file', `${speed(floodBytes, plainWrite).toFixed(0)} MB/s`, '', undefined);
  const before = await daemonBytes();
  const spentBefore = process.cpuUsage();
  const spooled = await timed(() => step(box, 'flood-again', flood, { write }));
  const spooling = process.cpuUsage(spentBefore);
  const grown = (await daemonBytes()) - before;
  recorder.stepEnded(0, { code: 0 });
  await recorder.close();
  const rate = speed(bytes, spooled);
  figure('1 GB of output, to the spool', `${rate.toFixed(0)} MB/s`, '>= 150 MB/s', rate >= 150);
  const cpuRate = speed(bytes, (spooling.user + spooling.system) / 1e3);
  figure('the same, for each second of CPU here', `${cpuRate.toFixed(0)} MB`, '', undefined);
  figure("what the daemon's folder grew meanwhile", mebibytes(grown), '0', Math.abs(grown) < 2 ** 20);
  figure('memory of this process meanwhile', mebibytes(peak), '< 200 MB', peak < 200e6);
}

const speed = (bytes: number, ms: number) => bytes / 1e3 / ms;

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
  const { stdout } = await run('docker', ['ps', '-aq', '--filter', 'label=dev.ritmo.job']);
  const left = stdout.split('\n').filter(Boolean).length;
  figure('containers that are left of them', String(left), '0', left === 0);
}

async function dockerRun(where: string): Promise<void> {
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
