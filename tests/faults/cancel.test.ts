import { describe, expect, it } from 'vitest';
import { readyWorker, serverProcess, startServer, type TestServer } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { processesWithMarker } from '../support/witness.js';

const silent = { name: 'silent', grace: 100, steps: [{ run: 'sleep 600' }] };

/** Cancels and waits for the end: as the job said, by whom, and nothing of it runs on. */
async function cancelled(server: TestServer, id: string): Promise<void> {
  const answer = await server.call('POST', `/v1/jobs/${id}/cancel`, {});
  expect(answer.ok).toBe(true);
  expect(await server.when(id, ['cancelled'])).toMatchObject({ failure: { code: 'RITMO_CANCELLED' } });
  expect(await processesWithMarker(id)).toEqual([]);
}

describe('a cancel', () => {
  it('of a silent step says in its log and its outcome who wanted it', async () => {
    const server = await startServer();
    await readyWorker(server);
    const id = await server.submit(silent);
    await server.when(id, ['running']);
    while ((await server.records(id)).every(({ k }) => k !== 'step'))
      await new Promise((resolve) => setImmediate(resolve));
    await cancelled(server, id);
    expect((await server.notes(id)).join('\n')).toMatch(
      /Stopping: user\.[\s\S]*cancelled: The job was cancelled by a user/,
    );
  });

  it('between accept and the first step begins no step', async () => {
    const server = await startServer();
    const proxy = await startFaultProxy(server.url);
    // The answer to accept is long on its way: the server counts the job as running, and the agent waits for its word.
    let lost = 0;
    proxy.fault = (call) => (call.endsWith('/accept') && lost++ < 3 ? 'lose' : 'pass');
    await readyWorker(server, { url: proxy.url });
    const id = await server.submit({ ...silent, steps: [{ run: 'echo began; sleep 600' }] });
    await server.when(id, ['running']);
    await cancelled(server, id);
    expect(await server.output(id)).toBe('');
    expect((await server.records(id)).some(({ k }) => k === 'step')).toBe(false);
  });

  it('right after a restart of the server reaches the worker as soon as it is back', async () => {
    const dataDir = await temporaryFolder();
    const first = await serverProcess(dataDir);
    const worker = await readyWorker(first.server);
    const id = await first.server.submit(silent);
    await first.server.when(id, ['running']);
    first.program.kill('SIGKILL');
    await first.program.ended;
    const second = await serverProcess(dataDir, first.port);
    await cancelled(second.server, id);
    worker.kill('SIGTERM');
    await worker.ended;
  });

  it('reaches the worker with its next heartbeat where the event stream cannot be had', async () => {
    const server = await startServer({ heartbeatMs: 1_000 });
    const proxy = await startFaultProxy(server.url);
    const isEvents = (call: string) => call.includes('/events');
    proxy.fault = (call) => (isEvents(call) ? 'reset' : 'pass');
    await readyWorker(server, { url: proxy.url });
    const id = await server.submit(silent);
    await server.when(id, ['running']);
    while ((await server.records(id)).every(({ k }) => k !== 'step'))
      await new Promise((resolve) => setImmediate(resolve));
    const isBeat = (call: string) => call.endsWith('/heartbeat');
    const before = proxy.calls.length;
    await cancelled(server, id);
    const after = proxy.calls.slice(before);
    const heeded = after.findIndex((call) => /^PUT .*\/log\?/.test(call));
    // One may have been on its way when the cancel came, and the next brings it; the log then says so.
    expect(after.slice(0, heeded).filter(isBeat).length).toBeLessThanOrEqual(3);
    expect(proxy.calls.some(isEvents)).toBe(true);
  });

  it('that was asked for before the server died is not forgotten', async () => {
    const dataDir = await temporaryFolder();
    const first = await serverProcess(dataDir);
    const proxy = await startFaultProxy(first.server.url);
    const worker = await readyWorker(first.server, { url: proxy.url });
    const id = await first.server.submit(silent);
    await first.server.when(id, ['running']);
    proxy.fault = () => 'reset';
    await first.server.call('POST', `/v1/jobs/${id}/cancel`, {});
    first.program.kill('SIGKILL');
    await first.program.ended;
    const second = await serverProcess(dataDir, first.port);
    proxy.fault = () => 'pass';
    expect(await second.server.when(id, ['cancelled'])).toMatchObject({ failure: { code: 'RITMO_CANCELLED' } });
    expect(await processesWithMarker(id)).toEqual([]);
    worker.kill('SIGTERM');
    await worker.ended;
  });
});
