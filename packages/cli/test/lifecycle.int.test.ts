import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Lab } from './support/lab.js';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
  await lab.startServer();
});
afterAll(() => lab[Symbol.asyncDispose]());

async function submit(name: string, label: string, run: string): Promise<string> {
  const path = await lab.jobFile(name, `labels: { for: ${label} }\nsteps: [{ run: "${run}" }]\n`);
  return (await lab.run('submit', path)).stdout.trim();
}

const healthOf = (line: string) => /"url":"http:\/\/([^"]+)"/.exec(line)?.[1] ?? '';

describe('ritmo-agent start', () => {
  test('ends after --max-jobs, and says what became of them', async () => {
    const worker = await lab.startWorker('few', ['--label', 'for=few', '--max-jobs', '2']);
    const ids = [await submit('a', 'few', 'true'), await submit('b', 'few', 'true'), await submit('c', 'few', 'true')];
    expect((await worker.ended).exitCode).toBe(0);
    const states = await Promise.all(ids.map(async (id) => JSON.parse((await lab.run('status', id, '--json')).stdout)));
    expect(states.map(({ state }) => String(state)).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'queued',
      'succeeded',
      'succeeded',
    ]);
    expect((await worker.ended).stderr).toMatch(/it has run 2 jobs/);
  });

  test('ends when it is idle for --exit-after-idle', async () => {
    const worker = await lab.startWorker('idle', ['--exit-after-idle', '300ms']);
    expect((await worker.ended).exitCode).toBe(0);
  });

  test('reads labels, slots and log level anew at SIGHUP, and keeps what a broken file would change', async () => {
    const config = join(lab.folder, 'worker.yaml');
    await writeFile(config, 'labels: { for: before }\nmaxConcurrent: 1\nlogLevel: info\n');
    const worker = await lab.startWorker('hup', ['--config', config]);
    const id = await submit('later', 'after', 'true');
    await writeFile(config, 'labels: { for: after }\nmaxConcurrent: 3\nlogLevel: debug\n');
    const read = worker.line('stderr', 'were read anew');
    worker.kill('SIGHUP');
    expect(JSON.parse(await read)).toMatchObject({ labels: { for: 'after' }, maxConcurrent: 3 });
    expect((await lab.run('logs', id, '--follow')).exitCode).toBe(0);
    expect((await lab.run('status')).stdout).toMatch(/^hup +idle +0\/3 +process +for=after$/m);
    await writeFile(config, 'labels: { for: after }\nmaxConcurrent: none\n');
    const refused = worker.line('stderr', 'the settings stay as they were');
    worker.kill('SIGHUP');
    expect(await refused).toContain('RITMO_USAGE');
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });

  test('says at its end how many builds finished and were cancelled', async () => {
    const worker = await lab.startWorker('report', ['--label', 'for=report', '--drain-timeout', '300ms']);
    const said = worker.line('stderr', 'the worker has ended');
    const id = await submit('long', 'report', 'sleep 1000');
    const follower = lab.start('logs', id, '--follow');
    await follower.line('stdout', 'sleep 1000');
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(75);
    expect(await said).toContain('0 builds finished, 1 build cancelled since it was told to stop');
    expect((await follower.ended).exitCode).toBe(70);
  });

  test('answers at its health address, which `status` puts into words', async () => {
    const worker = lab.start(...lab.workerArgs('seen'), '--name', 'seen', '--health-addr', '0', '--label', 'a=b');
    const address = healthOf(await worker.line('stderr', 'health and metrics are at'));
    await worker.line('stderr', 'the worker takes jobs');
    const ready = await fetch(`http://${address}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, reasons: [] }]);
    expect(await (await fetch(`http://${address}/metrics`)).text()).toContain('ritmo_agent_ready 1');
    const told = await lab.run('status', '--health-addr', address);
    expect(told.stdout).toMatch(
      /^running {2}It waits for a job; the server has none that fits. It has the labels a=b\.$/m,
    );
    expect(told.stdout).toMatch(/^builds +0 of 2$/m);
    expect(told.stdout).toMatch(/^disk +\S+ \S+ free, 1(\.0)? GiB wanted$/m);
    const json = JSON.parse((await lab.run('status', '--health-addr', address, '--json')).stdout);
    expect(json).toMatchObject({ state: 'running', worker: { name: 'seen', claiming: true } });
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });

  test('claims nothing below --min-free-disk, and the server hears why', async () => {
    const worker = lab.start(...lab.workerArgs('low'), '--name', 'low', '--min-free-disk', '8000TiB');
    await worker.line('stderr', 'the worker is unhealthy and claims nothing');
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });
});

describe('a worker of systemd', () => {
  test('says when it is ready, feeds the watchdog and says when it ends', async () => {
    const socket = join(lab.folder, 'notify');
    const listener = spawn('python3', ['-c', receive, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    const gone = once(listener, 'exit');
    onTestFinished(async () => {
      listener.kill();
      await gone;
    });
    let heard = '';
    const waiting = new Set<() => void>();
    listener.stdout.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
      for (const wake of waiting) wake();
    });
    const hear = async (pattern: RegExp) => {
      while (!pattern.test(heard)) await new Promise<void>((resolve) => waiting.add(resolve));
    };
    await hear(/listening/);
    const worker = lab.startWith(
      { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '60000000' },
      ...[...lab.workerArgs('unit'), '--name', 'unit'],
    );
    await hear(/READY=1/);
    await hear(/WATCHDOG=1/);
    worker.kill('SIGTERM');
    await hear(/STOPPING=1/);
    expect((await worker.ended).exitCode).toBe(0);
  });
});

/** Prints each datagram that comes. */
const receive = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(s.recv(65536).decode(), flush=True)
`;
