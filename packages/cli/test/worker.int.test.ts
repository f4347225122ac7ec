import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cli } from './support/cli.js';
import { Lab } from './support/lab.js';

let lab: Lab;
let server: Cli;
beforeAll(async () => {
  lab = await Lab.open();
  server = await lab.startServer();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('ritmo-agent with an API server on this machine', () => {
  test('submits a job, follows it, and ends as the job does', async () => {
    const worker = await lab.startWorker('w1', ['--label', 'zone=eu']);
    const path = await lab.jobFile(
      'failing',
      'labels: { zone: eu }\nsteps:\n  - { name: Test, run: echo hi; exit 3 }\n',
    );
    const followed = await lab.run('submit', path, '--follow');
    expect(followed.exitCode).toBe(1);
    expect(followed.stdout).toMatch(
      /▸ Test  echo hi; exit 3\nhi\n[\d:]+ ✗ Test exited with 3 after .+\nfailed: step "Test" exited with 3 after .+\n$/,
    );
    const [, id = ''] = /^job (\S+)\n$/.exec(followed.stderr) ?? [];

    const [again, one, all] = await Promise.all([
      lab.run('logs', id),
      lab.run('status', id, '--json'),
      lab.run('status'),
    ]);
    expect(again).toEqual({ exitCode: 0, stdout: followed.stdout, stderr: '' });
    expect(JSON.parse(one.stdout)).toMatchObject({ id, state: 'failed', exitCode: 3 });
    expect(all.stdout).toMatch(/^w1 +\S+ +\d\/2 +process +zone=eu$/m);
    expect(all.stdout).toMatch(new RegExp(`^${id} +failing +failed`, 'm'));

    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });

  test('prints only the id of a job that it does not follow, and cancels it', async () => {
    const path = await lab.jobFile('nobody', 'labels: { zone: nowhere }\nsteps: [{ run: "true" }]\n');
    const submitted = await lab.run('submit', path);
    expect(submitted).toMatchObject({ exitCode: 0, stderr: '' });
    const id = submitted.stdout.trim();
    const follower = lab.start('logs', id, '--follow');
    await follower.line('stderr', 'waiting');
    expect((await lab.run('cancel', id)).stdout).toContain(`${id} is cancelled`);
    const { exitCode, stdout } = await follower.ended;
    expect(stdout).toMatch(/^cancelled/);
    expect(exitCode).toBe(130);
  });

  test('tells workers to pause, to resume and to drain', async () => {
    const worker = await lab.startWorker('w2');
    const paused = worker.line('stderr', 'the agent is paused');
    expect((await lab.run('pause', 'w2')).stdout).toBe('w2 was told to pause\n');
    await paused;
    const resumed = worker.line('stderr', '"from":"paused"');
    await lab.run('resume', 'w2');
    await resumed;
    await lab.run('drain', 'w2');
    expect((await worker.ended).exitCode).toBe(0);
    const unknown = await lab.run('pause', 'w9');
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toContain('There is no worker "w9". (RITMO_NOT_FOUND)');
  });

  test('a second worker on one state directory says so and ends', async () => {
    const worker = await lab.startWorker('w3');
    const second = await lab.run(...lab.workerArgs('w3'));
    expect(second.exitCode).toBe(69);
    expect(second.stderr).toContain('(RITMO_STATE_LOCKED)');
    worker.kill('SIGTERM');
    await worker.ended;
  });

  test('the first signal drains, the second cancels what runs', async () => {
    const worker = await lab.startWorker('w4');
    const path = await lab.jobFile('sleeping', 'grace: 100ms\nsteps: [{ run: "echo rea\'\'dy; sleep 60" }]\n');
    const follower = lab.start('submit', path, '--follow');
    await follower.line('stdout', 'ready');
    const draining = worker.line('stderr', 'draining');
    worker.kill('SIGTERM');
    await draining;
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(75);
    const { exitCode, stdout } = await follower.ended;
    expect(stdout).toMatch(/\nerrored: .+ \(RITMO_AGENT_STOPPING\)\n/);
    expect(exitCode).toBe(70);
  });

  test('following goes on where it was when the server died and came back', async () => {
    const worker = await lab.startWorker('w5');
    const goOn = join(lab.folder, 'go-on');
    const run = `seq -f 'line %g' 1 5; until [ -e ${goOn} ]; do sleep 0.1; done; seq -f 'line %g' 6 30`;
    const counting = `steps: [{ name: Count, run: "${run}" }]\n`;
    const follower = lab.start('submit', await lab.jobFile('counting', counting), '--follow');
    await follower.line('stdout', 'line 5');
    const lost = follower.line('stderr', 'Trying again');
    server.kill('SIGKILL');
    await server.ended;
    await lost;
    server = await lab.startServer();
    await writeFile(goOn, '');
    const { exitCode, stdout, stderr } = await follower.ended;
    const lines = stdout.split('\n').filter((line) => /^line \d+$/.test(line));
    expect(lines).toEqual(Array.from({ length: 30 }, (_, index) => `line ${index + 1}`));
    expect(stderr).toContain('connected again');
    expect(exitCode).toBe(0);
    worker.kill('SIGTERM');
    await worker.ended;
  });
});
