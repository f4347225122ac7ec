import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, startWorker } from '../support/cluster.js';
import { type Fault, startFaultProxy } from '../support/fault-proxy.js';

const job = {
  name: 'careful',
  steps: [{ run: 'echo one; mkdir out; echo x > out/x' }, { run: 'echo two' }],
  artifacts: [{ name: 'out', paths: ['out'], required: true }],
};

/** The calls of a worker's whole life that change something at the server. */
const calls: readonly (readonly [string, RegExp])[] = [
  ['registration', /^POST \/v1\/workers$/],
  ['claim', /^POST \/v1\/workers\/[^/]+\/claims$/],
  ['accept', /^POST \/v1\/jobs\/[^/]+\/accept$/],
  ['log', /^PUT \/v1\/jobs\/[^/]+\/log/],
  ['seal', /^POST \/v1\/jobs\/[^/]+\/log\/seal$/],
  ['artifact plan', /^POST \/v1\/jobs\/[^/]+\/artifacts$/],
  ['artifact upload', /^PUT \/v1\/jobs\/[^/]+\/artifacts\//],
  ['artifact completion', /^POST \/v1\/jobs\/[^/]+\/artifacts\/[^/]+\/complete$/],
  ['finish', /^POST \/v1\/jobs\/[^/]+\/finish$/],
  ['heartbeat', /^POST \/v1\/workers\/[^/]+\/heartbeat$/],
];

/** Fails the first call of a kind once. */
function once(pattern: RegExp, fault: Fault): (call: string) => Fault {
  let left = 1;
  return (call) => {
    if (left === 0 || !pattern.test(call)) return 'pass';
    left -= 1;
    return fault;
  };
}

describe.each<Fault>(['lose', 'cut', 'page', 'reset'])('when the first answer is a %s', (fault) => {
  it.each(calls)('of the %s, the job runs once, whole and to its end', async (_name, pattern) => {
    const server = await startServer({ heartbeatMs: 100 });
    const proxy = await startFaultProxy(server.url);
    proxy.fault = once(pattern, fault);
    const worker = await readyWorker(server, { url: proxy.url });
    const id = await server.submit(job);
    const ended = await server.ended(id);
    expect(ended).toMatchObject({ state: 'succeeded', epoch: 1, artifacts: 1 });
    expect(await server.output(id)).toBe('one\ntwo\n');
    expect((await server.records(id)).filter(({ k }) => k === 'log')).toHaveLength(1);
    expect(await server.artifacts(id)).toHaveLength(1);
    await proxy.seen(pattern);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });
});

describe('a server that is not there', () => {
  it('is waited for with a clear word and without a rush, and the worker then takes jobs', async () => {
    const server = await startServer();
    const proxy = await startFaultProxy(server.url);
    proxy.fault = () => 'reset';
    const worker = await startWorker(server, { url: proxy.url });
    await worker.stderr.waitFor(/RITMO_SERVER_UNREACHABLE|does not answer|unreachable/i);
    const before = proxy.calls.length;
    expect(before).toBeLessThan(10);
    proxy.fault = () => 'pass';
    await worker.stderr.waitFor(/takes jobs/);
    const id = await server.submit({ name: 'late', steps: [{ run: 'echo late' }] });
    expect((await server.ended(id)).state).toBe('succeeded');
  });

  it('does not keep a worker from ending at a signal', async () => {
    const server = await startServer();
    const proxy = await startFaultProxy(server.url);
    proxy.fault = () => 'hang';
    const worker = await startWorker(server, { url: proxy.url });
    await proxy.seen(/workers/);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });
});
