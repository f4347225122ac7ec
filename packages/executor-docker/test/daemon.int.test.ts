import { beforeAll, expect, it } from 'vitest';
import { dockerExecutor } from '../src/index.js';
import { findDockerd, startDaemon } from './support/daemon.js';
import { Worker } from './support/host.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';

beforeAll(() => makeBusyboxImage());

it('ends the job with a reason when the daemon dies in the middle of a step, and says so when it is probed', async () => {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  await using daemon = await startDaemon(dockerd);
  const address = `unix://${daemon.socket}`;
  await makeBusyboxImage(address);
  const worker = await Worker.open({ address });
  const box = await worker.box();
  const step = box.start('echo ready; sleep 600');
  await step.printed('ready');
  await daemon.kill();
  await expect(step.exit).rejects.toMatchObject({
    code: 'RITMO_EXECUTOR_UNAVAILABLE',
    retryable: true,
    message: 'The Docker daemon was lost while the job ran.',
  });
  const report = await worker.executor.probe(AbortSignal.timeout(10_000));
  expect(report.health).toBe('unavailable');
  expect(report.detail).toContain('does not answer');
  const image = { reference: busyboxImage, pull: ['never'] } as const;
  await expect(worker.executor.allocate(worker.request({ image }), worker.scope())).rejects.toMatchObject({
    code: 'RITMO_EXECUTOR_UNAVAILABLE',
  });
  await worker.abandon();
});

it('removes what a daemon that died has kept of a job once it is back, and runs the next', async () => {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  await using daemon = await startDaemon(dockerd);
  const address = `unix://${daemon.socket}`;
  await makeBusyboxImage(address);
  await using worker = await Worker.open({ address, sweepMs: 200 });
  await worker.executor.sweep(new Set(), new AbortController().signal);
  const box = await worker.box();
  const step = box.start('echo ready; sleep 600');
  await step.printed('ready');
  await daemon.kill();
  await expect(step.exit).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE' });
  await expect(box[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'RITMO_CLEANUP_FAILED', retryable: true });
  await daemon.restart();
  while (worker.leftOfJobs().length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
  await using next = await worker.box();
  expect((await next.sh('echo fine')).text).toBe('fine\n');
  expect((await worker.executor.probe(AbortSignal.timeout(10_000))).health).not.toBe('unavailable');
});

it('offers no network on a daemon in another network namespace, where its rules would close nothing, and says so', async () => {
  const dockerd = findDockerd();
  if (dockerd === undefined) throw new Error('this test starts a dockerd, which needs root');
  await using daemon = await startDaemon(dockerd, 'own');
  const address = `unix://${daemon.socket}`;
  await makeBusyboxImage(address);
  await using worker = await Worker.open({ address });
  const { capabilities } = worker.executor;
  expect(capabilities).toMatchObject({ network: ['none'], defaultNetwork: 'none', services: false, recover: true });
  const { health, detail } = await worker.executor.probe(AbortSignal.timeout(10_000));
  expect(health).toBe('degraded');
  expect(detail).toContain('the daemon is in another network namespace than the agent');
  expect(detail).toContain('--network host');
  await expect(worker.box({ network: 'isolated' })).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
});

it('says why no daemon was reached, and what mends it', async () => {
  const worker = await Worker.open();
  for (const [address, words] of [
    ['unix:///nowhere/docker.sock', 'ENOENT'],
    ['tcp://127.0.0.1:9', 'ECONNREFUSED'],
  ] as const) {
    const refused = await dockerExecutor({ address })
      .open(worker.host)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(refused).toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE', hint: expect.stringContaining('docker') });
    expect(String(refused)).toContain(words);
  }
  await worker[Symbol.asyncDispose]();
});
