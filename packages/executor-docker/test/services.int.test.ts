import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ServiceRequest } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Worker } from './support/host.js';

const run = promisify(execFile);
const MiB = 2 ** 20;
let worker: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  worker = await Worker.open();
});
afterAll(() => worker[Symbol.asyncDispose]());

const service = (name: string, script: string, over: Partial<ServiceRequest> = {}): ServiceRequest => ({
  name,
  image: { reference: busyboxImage, pull: ['never'] },
  env: {},
  command: ['/bin/sh', '-c', script],
  limits: {},
  workspace: false,
  ...over,
});
const greeter = 'while :; do nc -l -p 7000 -e echo "hello of $WHO"; done';

it('starts services before the first step, reachable by their names', async () => {
  const ready = { tcpPort: 7000, timeoutMs: 20_000 };
  await using box = await worker.box({
    services: [
      service('one', greeter, { env: { WHO: 'one' }, ready }),
      service('two', greeter, { env: { WHO: 'two' }, ready }),
    ],
  });
  expect((await box.sh('nc one 7000 </dev/null; nc two 7000 </dev/null')).text).toBe('hello of one\nhello of two\n');
  expect((await box.sh('ls -A')).text).toBe('');
  expect(worker.notes).toContain('Service one is ready.');
});

it('gives services to a job without a network too', async () => {
  const ready = { tcpPort: 7000, timeoutMs: 20_000 };
  await using box = await worker.box({
    network: 'none',
    services: [service('one', greeter, { env: { WHO: 'one' }, ready })],
  });
  expect((await box.sh('nc one 7000 </dev/null')).text).toBe('hello of one\n');
  const network = `ritmo-${box.sandbox.id}`;
  const { stdout } = await run('/usr/bin/docker', ['network', 'inspect', '--format', '{{.Internal}}', network]);
  expect(stdout).toBe('true\n');
});

it('waits until the command of a service says that it is ready', async () => {
  const ready = { command: ['/bin/sh', '-c', '[ -e /ready ]'], timeoutMs: 20_000 };
  await using box = await worker.box({
    services: [service('slow', 'sleep 1; : > /workspace/was-ready; : > /ready; sleep 600', { ready, workspace: true })],
  });
  expect((await box.sh('ls')).text).toBe('was-ready\n');
});

it('holds services to their limits, and shows them nothing of the job that they did not ask for', async () => {
  const limits = { memoryBytes: 32 * MiB, pids: 16, cpus: 0.5, tmpBytes: 4 * MiB };
  const script =
    'dd if=/dev/zero of=/tmp/fill bs=1M 2>/dev/null; : > /filled; tail /dev/zero; echo $? > /tried; sleep 600';
  const ready = { command: ['/bin/sh', '-c', '[ -e /filled ] && [ -e /tried ]'], timeoutMs: 30_000 };
  await using box = await worker.box({ services: [service('small', script, { limits, ready })] });
  const filter = `label=dev.ritmo.sandbox=${box.sandbox.id}`;
  const { stdout } = await run('/usr/bin/docker', [
    'ps',
    '-q',
    '--filter',
    filter,
    '--filter',
    'label=dev.ritmo.role=service',
  ]);
  const id = stdout.trim();
  const inside = async (command: string) =>
    (await run('/usr/bin/docker', ['exec', id, '/bin/sh', '-c', command])).stdout;
  expect(await inside('du -m /tmp/fill | cut -f 1; cat /tried; ls -d /workspace /run/ritmo 2>/dev/null; id -u')).toBe(
    '4\n137\n0\n',
  );
  const format = '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}';
  const { stdout: held } = await run('/usr/bin/docker', ['inspect', '--format', format, id]);
  expect(held).toBe(`${limits.memoryBytes} ${limits.memoryBytes} 16\n`);
});

it('says what a service printed when it ends at once, or does not become ready', async () => {
  const tcpPort = 7000;
  // Its time is over when this is asked, which lasts until the service has ended.
  const asks = ['/bin/sh', '-c', ': > /asked; sleep 600'];
  const waits = 'until [ -e /asked ]; do sleep 0.05; done';
  for (const [script, ready, how] of [
    ['echo its last words; exit 3', { tcpPort, timeoutMs: 20_000 }, 'ended with code 3'],
    [`${waits}; echo its last words; exit 3`, { command: asks, timeoutMs: 1 }, 'ended with code 3'],
    ['echo its last words; sleep 600', { tcpPort, timeoutMs: 1_000 }, 'did not become ready in time'],
  ] as const) {
    const before = worker.residue();
    worker.notes.length = 0;
    const box = worker.box({ services: [service('db', script, { ready })] });
    await expect(box).rejects.toMatchObject({
      code: 'RITMO_SERVICE_FAILED',
      message: `The service db ${how}.`,
    });
    expect(worker.notes).toContain('db: its last words');
    expect(worker.residue()).toEqual(before);
  }
});

it('stops waiting for a service when the job is cancelled', async () => {
  const controller = new AbortController();
  const ready = { tcpPort: 7000, timeoutMs: 600_000 };
  const box = worker.box({ services: [service('never', 'sleep 600', { ready })] }, controller.signal);
  box.catch(() => undefined);
  while (!worker.notes.includes('Service never started.')) await new Promise((resolve) => setTimeout(resolve, 20));
  controller.abort(new Error('cancelled'));
  await expect(box).rejects.toThrow('cancelled');
});
