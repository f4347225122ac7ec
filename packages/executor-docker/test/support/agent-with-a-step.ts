import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger, SandboxRequest } from '@ritmo/agent-core/executor';
import { dockerExecutor } from '../../src/index.js';

const [image = '', address = '', ownerId = '', stateDir = ''] = process.argv.slice(2);
const silent: Logger = {
  child: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** An agent that runs one long step and says `ready`; it is meant to be killed. */
async function main(): Promise<void> {
  const clock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal ? { signal } : {}),
  };
  const executor = await dockerExecutor({ address }).open({ ownerId, stateDir, log: silent, clock });
  const request: SandboxRequest = {
    ...{ jobId: 'job', epoch: 1, sandboxId: 'left-1', slot: 7, services: [], network: 'none', limits: {} },
    ...{ profile: 'standard', deadlineMs: 600_000, onLost: 'fail', image: { reference: image, pull: ['never'] } },
  };
  const { signal } = new AbortController();
  const scope = { signal, progress: () => undefined, record: () => Promise.resolve() };
  const box = await executor.prepare(request, await executor.allocate(request, scope), scope);
  const write = () => void process.stdout.write('ready\n');
  const stop = { signal: 'SIGTERM', graceMs: 0 } as const;
  await box.run(
    { id: 'step', argv: ['/bin/sh', '-c', 'echo; sleep 600'], env: {} },
    { signal, stop, output: { write } },
  );
}

await main();
