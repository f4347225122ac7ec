import { readdir } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { agentFixture } from '../support/agent-fixture.js';
import { MemoryServer } from '../support/memory-server.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What a process holds, by kind, once garbage is gone. */
async function held(stateDir: string) {
  collectGarbage();
  const resources = process.getActiveResourcesInfo();
  return {
    heapBytes: process.memoryUsage().heapUsed,
    files: (await readdir('/proc/self/fd')).length,
    timers: resources.filter((name) => name === 'Timeout').length,
    names: (await Promise.all(['journal', 'spool', 'staging'].map((name) => readdir(`${stateDir}/${name}`)))).flat(),
  };
}

it('holds after hundreds of jobs what it held after some: no memory, file, timer or name more', async () => {
  const server = new MemoryServer();
  const { agent, stateDir, executor } = await agentFixture({ server, maxConcurrent: 8 });
  await agent.start();
  const run = async (count: number) => {
    const steps = [{ run: 'print one' }, { run: 'exit 1' }, { run: 'print always', when: 'always' as const }];
    const jobs = Array.from({ length: count }, () => server.submit({ name: 'many', steps }));
    await Promise.all(jobs.map(({ finished }) => finished));
    await server.when(() => server.statuses.at(-1)?.running.length === 0);
    // What the server of the test keeps is not the agent's.
    for (const list of [server.statuses, server.calls, executor.requests]) list.length = 0;
    server.jobs.clear();
    executor.files.clear();
  };
  await run(100);
  const before = await held(stateDir);
  await run(400);
  const after = await held(stateDir);
  expect(after.names).toEqual([]);
  expect(after.files).toBeLessThanOrEqual(before.files + 2);
  expect(after.timers).toBeLessThanOrEqual(before.timers + 2);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(4 * 1024 ** 2);
  await agent.drain();
  expect(executor.open.size).toBe(0);
});
