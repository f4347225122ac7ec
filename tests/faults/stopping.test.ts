import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, startWorker } from '../support/cluster.js';
import { type Fault, startFaultProxy } from '../support/fault-proxy.js';
import { mountsBelow, namesIn, processesWithMarker } from '../support/witness.js';

describe('SIGTERM', () => {
  it.each<Fault>(['reset', 'hang'])('ends a worker that starts while the server is away (%s)', async (fault) => {
    const server = await startServer();
    const proxy = await startFaultProxy(server.url);
    proxy.fault = () => fault;
    const worker = await startWorker(server, { url: proxy.url });
    await proxy.seen(/^POST \/v1\/workers$/);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
    expect(await server.workers()).toEqual([]);
  });

  it.each<Fault>(['reset', 'hang'])('ends an idle worker while the server is away (%s)', async (fault) => {
    const server = await startServer({ heartbeatMs: 200 });
    const proxy = await startFaultProxy(server.url);
    const worker = await readyWorker(server, { url: proxy.url });
    proxy.fault = () => fault;
    await worker.stderr.waitFor(/a heartbeat failed/);
    const begin = performance.now();
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
    // It gives each of its two last calls a second. Other calls have 20 s, again and again.
    expect(performance.now() - begin).toBeLessThan(20_000);
  });

  it('lets a build end while the server is away; the next start tells what the server was not told', async () => {
    const server = await startServer({ heartbeatMs: 200 });
    const proxy = await startFaultProxy(server.url);
    const flags = ['--name', 'one'];
    const worker = await readyWorker(server, { url: proxy.url, flags });
    const id = await server.submit({ name: 'short', steps: [{ run: 'echo on; sleep 1; echo off' }] });
    await server.when(id, ['running']);
    while ((await server.output(id)) === '') await new Promise((resolve) => setImmediate(resolve));
    proxy.fault = () => 'reset';
    worker.kill('SIGTERM');
    await worker.stderr.waitFor(/draining/);
    // It has ended, and only the server does not know.
    while (!(await journalHolds(worker.stateDir, 'result'))) await new Promise((resolve) => setTimeout(resolve, 20));
    worker.kill('SIGTERM');
    // The last words are tried for a while; nothing was cancelled.
    expect((await worker.ended).exitCode).toBe(0);
    const next = await readyWorker(server, { stateDir: worker.stateDir, flags });
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded', epoch: 1 });
    expect(await server.output(id)).toBe('on\noff\n');
    next.kill('SIGTERM');
    await next.ended;
  });

  it('in the moment of an offer hands it back: it goes to another worker at once, and the attempt does not count', async () => {
    const server = await startServer({ acceptWithinMs: 60_000 });
    const proxy = await startFaultProxy(server.url);
    const isClaim = (call: string) => call.endsWith('/claims');
    const worker = await readyWorker(server, { url: proxy.url, flags: ['--name', 'leaving'] });
    // The server makes an offer, and its answer is lost.
    proxy.fault = (call) => (isClaim(call) ? 'lose' : 'pass');
    const id = await server.submit({ name: 'offered', steps: [{ run: 'echo ran' }] });
    await server.when(id, ['offered']);
    worker.kill('SIGTERM');
    await worker.stderr.waitFor(/draining/);
    proxy.fault = () => 'pass';
    expect((await worker.ended).exitCode).toBe(0);
    expect(await server.job(id)).toMatchObject({ state: 'queued', epoch: 1, attempts: [] });
    await readyWorker(server, { flags: ['--name', 'staying'] });
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded', worker: 'staying' });
    expect(await server.output(id)).toBe('ran\n');
  });

  it('beside a hand-in strands no job, whichever comes first', async () => {
    const server = await startServer({ acceptWithinMs: 60_000 });
    for (let round = 0; round < 5; round += 1) {
      const worker = await readyWorker(server);
      const handedIn = server.submit({ name: `race ${round}`, steps: [{ run: 'true' }] });
      worker.kill('SIGTERM');
      const id = await handedIn;
      expect((await worker.ended).exitCode).toBe(0);
      const { state } = await server.job(id);
      expect(['queued', 'succeeded']).toContain(state);
      await server.call('POST', `/v1/jobs/${id}/cancel`, {});
    }
  });

  it('a third time ends the agent at once; the next one clears away what it left', async () => {
    const server = await startServer();
    const flags = ['--name', 'hasty'];
    const worker = await readyWorker(server, { flags });
    const id = await server.submit({
      name: 'stubborn',
      grace: 120_000,
      steps: [{ run: "trap '' TERM; echo ready; while :; do sleep 1; done" }],
    });
    await server.when(id, ['running']);
    while ((await server.output(id)) === '') await new Promise((resolve) => setImmediate(resolve));
    worker.kill('SIGTERM');
    await worker.stderr.waitFor(/draining/);
    worker.kill('SIGTERM');
    await worker.stderr.waitFor(/cancelling the running builds/);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(143);
    const next = await readyWorker(server, { stateDir: worker.stateDir, flags });
    expect(await server.ended(id)).toMatchObject({ state: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
    next.kill('SIGTERM');
    expect((await next.ended).exitCode).toBe(0);
    expect(await processesWithMarker(id)).toEqual([]);
    expect(await mountsBelow(worker.stateDir)).toEqual([]);
  });
});

/** Whether an entry of the journal has that key by now. */
async function journalHolds(stateDir: string, key: string): Promise<boolean> {
  const folder = join(stateDir, 'journal');
  for (const name of await namesIn(folder)) {
    if (!name.endsWith('.json')) continue;
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    if (text.includes(`"${key}":`)) return true;
  }
  return false;
}
