import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readyWorker, serverProcess, startServer, startWorker, stateFolder } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { shortLeases } from '../support/short-leases.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, namesIn, processesWithMarker } from '../support/witness.js';

describe('SIGKILL of the server', () => {
  it('costs a running build nothing: no byte of its log, no second attempt', async () => {
    const dataDir = await temporaryFolder();
    const first = await serverProcess(dataDir);
    const worker = await readyWorker(first.server);
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}\n`);
    const id = await first.server.submit({
      name: 'long',
      steps: [{ run: 'i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.05; done' }],
    });
    await first.server.when(id, ['running']);
    first.program.kill('SIGKILL');
    await first.program.ended;
    const second = await serverProcess(dataDir, first.port);
    expect(await second.server.ended(id)).toMatchObject({ state: 'succeeded', epoch: 1 });
    expect(await second.server.output(id)).toBe(lines.join(''));
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });

  it('loses no job that it had acknowledged', async () => {
    const dataDir = await temporaryFolder();
    const first = await serverProcess(dataDir);
    const ids = await Promise.all(
      [1, 2, 3].map((n) => first.server.submit({ name: `job ${n}`, steps: [{ run: 'true' }] })),
    );
    first.program.kill('SIGKILL');
    await first.program.ended;
    const second = await serverProcess(dataDir, first.port);
    const worker = await readyWorker(second.server);
    for (const id of ids) expect((await second.server.ended(id)).state).toBe('succeeded');
    worker.kill('SIGTERM');
    await worker.ended;
  });
});

describe('SIGKILL of the agent', () => {
  it('leaves nothing running; its next start reports the build at once, with all that was printed', async () => {
    const server = await startServer();
    const worker = await readyWorker(server, { flags: ['--name', 'mortal'] });
    const id = await server.submit({
      name: 'orphan',
      steps: [{ run: 'echo before; (setsid sleep 1000 &); sleep 1000' }],
    });
    await server.when(id, ['running']);
    while (!(await server.output(id)).includes('before')) await new Promise((resolve) => setImmediate(resolve));
    worker.kill('SIGKILL');
    await worker.ended;
    const next = await readyWorker(server, { stateDir: worker.stateDir, flags: ['--name', 'mortal'] });
    expect(await server.ended(id)).toMatchObject({
      state: 'errored',
      epoch: 1,
      failure: { code: 'RITMO_AGENT_CRASHED', retryable: true },
    });
    expect(await server.output(id)).toBe('before\n');
    expect((await server.notes(id)).join('\n')).toMatch(/agent died here/i);
    const after = await server.submit({ name: 'after', steps: [{ run: 'echo alive' }] });
    expect((await server.ended(after)).state).toBe('succeeded');
    next.kill('SIGTERM');
    await next.ended;
    expect(await processesWithMarker(id)).toEqual([]);
    for (const folder of ['journal', 'spool']) expect(await namesIn(join(worker.stateDir, folder))).toEqual([]);
    expect(await mountsBelow(worker.stateDir)).toEqual([]);
  });

  it('lets a job that may run twice run again elsewhere when the agent does not come back', async () => {
    const server = await startServer(shortLeases);
    const worker = await readyWorker(server, { flags: ['--name', 'first'] });
    const id = await server.submit({
      name: 'again',
      onLost: 'requeue',
      attempts: 2,
      steps: [{ run: '[ $RITMO_ATTEMPT = 2 ] && exit 0; echo first; sleep 1000' }],
    });
    await server.when(id, ['running']);
    worker.kill('SIGKILL');
    await worker.ended;
    await readyWorker(server, { flags: ['--name', 'second'] });
    expect(await server.when(id, ['succeeded'])).toMatchObject({ epoch: 2, worker: 'second' });
    // What it has left goes when it comes after all.
    const back = await readyWorker(server, { stateDir: worker.stateDir, flags: ['--name', 'first'] });
    back.kill('SIGTERM');
    await back.ended;
    expect(await namesIn(join(worker.stateDir, 'executors/process/sandboxes'))).toEqual([]);
  });
});

describe('an outage of the server', () => {
  it('does not hold up the build; the log arrives whole afterwards', async () => {
    const server = await startServer({ heartbeatMs: 200 });
    const proxy = await startFaultProxy(server.url);
    const worker = await readyWorker(server, { url: proxy.url });
    const id = await server.submit({
      name: 'loud',
      steps: [
        { run: 'echo start; i=0; while [ $i -lt 20000 ]; do echo "line $i of many"; i=$((i+1)); done; echo end' },
      ],
    });
    await proxy.seen(/\/log\?/);
    proxy.fault = () => 'page';
    await worker.stderr.waitFor(/503|does not answer|unreachable|unavailable/i);
    proxy.fault = () => 'pass';
    expect((await server.ended(id)).state).toBe('succeeded');
    const expected = Array.from({ length: 20_000 }, (_, index) => `line ${index} of many\n`).join('');
    expect(await server.output(id)).toBe(`start\n${expected}end\n`);
  });

  it('of the event stream alone delays a cancel by a heartbeat at most', async () => {
    const server = await startServer({ heartbeatMs: 300 });
    const proxy = await startFaultProxy(server.url);
    proxy.fault = (call) => (call.includes('/events') ? 'reset' : 'pass');
    await readyWorker(server, { url: proxy.url });
    const id = await server.submit({ name: 'silent', grace: 100, steps: [{ run: 'sleep 1000' }] });
    await server.when(id, ['running']);
    await server.call('POST', `/v1/jobs/${id}/cancel`, {});
    expect((await server.when(id, ['cancelled'])).failure?.code).toBe('RITMO_CANCELLED');
  });
});

describe('a name that is taken over by its own installation', () => {
  it('supersedes the old agent, which kills its builds, ends and does not come back; none of them runs twice', async () => {
    const server = await startServer({ heartbeatMs: 200 });
    const worker = await readyWorker(server, { flags: ['--name', 'one'] });
    const id = await server.submit({ name: 'held', steps: [{ run: 'echo held; sleep 1000' }] });
    while ((await server.output(id)) === '') await new Promise((resolve) => setImmediate(resolve));
    const stateDir = await stateFolder();
    await mkdir(stateDir);
    // Without the mark of its resources: as on another host, the new one finds none of the old one's processes.
    await copyFile(join(worker.stateDir, 'resume-keys.json'), join(stateDir, 'resume-keys.json'));
    const next = await startWorker(server, { stateDir, flags: ['--name', 'one'] });
    await next.stderr.waitFor(/takes jobs/);
    expect((await worker.ended).exitCode).not.toBe(0);
    expect(worker.stderr.text).toContain('RITMO_SUPERSEDED');
    expect(await processesWithMarker(id)).toEqual([]);
    // The new one knows nothing of it, and says so.
    expect(await server.when(id, ['lost'])).toMatchObject({ epoch: 1, attempts: [{ epoch: 1 }] });
    next.kill('SIGTERM');
    await next.ended;
  });
});
