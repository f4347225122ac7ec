import { describe, expect, it, onTestFinished } from 'vitest';
import { type HealthServer, startHealthServer } from '../../src/health.js';
import type { Agent } from '../../src/index.js';
import { silentLogger } from '../../src/index.js';
import { agentFixture } from '../support/agent-fixture.js';

async function serve(agent: Agent): Promise<HealthServer> {
  const server = await startHealthServer(agent, { host: '127.0.0.1', port: 0, log: silentLogger });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

const health = { diskMs: 10, probeMs: 10 };

describe('the health server', () => {
  it('tells a worker that starts from one that is ready, paused or unhealthy', async () => {
    const { agent, server, executor } = await agentFixture({ health });
    const { url } = await serve(agent);
    const ready = async () => {
      const answer = await fetch(`${url}/readyz`);
      return [answer.status, ((await answer.json()) as { reasons: string[] }).reasons] as const;
    };
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await ready()).toEqual([503, ['It has not been started.']]);
    await agent.start();
    expect(await ready()).toEqual([200, []]);
    await agent.pause();
    expect(await ready()).toEqual([503, ['It is paused.']]);
    await agent.resume();
    executor.health = 'unavailable';
    await server.when(() => server.statuses.at(-1)?.state === 'unhealthy');
    expect(await ready()).toEqual([503, ['The scripted executor cannot work: It does as it is told.']]);
    await agent.drain();
    expect(await ready()).toEqual([503, ['It has ended.']]);
  });

  it('says why the worker is idle', async () => {
    const { agent, server } = await agentFixture({ labels: { zone: 'a' }, health });
    const { url } = await serve(agent);
    await agent.start();
    await server.submit({ name: 'one', steps: [{ run: 'print 1' }] }).finished;
    await server.when(() => server.statuses.at(-1)?.state === 'idle');
    const status = (await (await fetch(`${url}/status`)).json()) as Record<string, unknown>;
    expect(status).toMatchObject({
      state: 'running',
      reasons: ['It waits for a job; the server has none that fits. It has the labels zone=a.'],
      worker: {
        name: 'tester',
        slots: { max: 2, held: 0, free: 2 },
        claiming: true,
        lastClaim: { offers: 1 },
        heartbeat: { failedInRow: 0 },
        executors: [{ name: 'scripted', health: 'healthy' }],
      },
    });
  });

  it('counts builds, claims, heartbeats and log bytes for Prometheus', async () => {
    const { agent, server } = await agentFixture({ health });
    const { url } = await serve(agent);
    await agent.start();
    await server.submit({ name: 'good', steps: [{ run: 'print 1' }] }).finished;
    await server.submit({ name: 'bad', steps: [{ run: 'exit 1' }] }).finished;
    await server.when(() => server.statuses.at(-1)?.running.length === 0);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    expect(text).toMatch(/^ritmo_agent_builds_total\{outcome="succeeded"\} 1$/m);
    expect(text).toMatch(/^ritmo_agent_builds_total\{outcome="failed"\} 1$/m);
    expect(text).toMatch(/^ritmo_agent_claims_total\{result="job"\} 2$/m);
    expect(text).toMatch(/^ritmo_agent_heartbeats_total\{result="answered"\} [1-9]/m);
    expect(text).toMatch(/^ritmo_agent_log_bytes_total [1-9]\d+$/m);
    expect(text).toMatch(/^ritmo_agent_spool_bytes 0$/m);
    expect(text).toMatch(/^ritmo_agent_slots 2$/m);
    expect(text).toMatch(/^ritmo_agent_sandbox_start_seconds_count 2$/m);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect(text).toMatch(/^process_resident_memory_bytes /m);
  });

  it('answers only what there is, and takes nothing', async () => {
    const { agent } = await agentFixture();
    const { url } = await serve(agent);
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/status`, { method: 'POST' })).status).toBe(405);
  });

  it('names an address that cannot be listened on', async () => {
    const { agent } = await agentFixture();
    const { url } = await serve(agent);
    const taken = startHealthServer(agent, { host: '127.0.0.1', port: Number(new URL(url).port), log: silentLogger });
    await expect(taken).rejects.toMatchObject({ code: 'RITMO_USAGE' });
  });
});
