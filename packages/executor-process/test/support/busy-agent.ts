import { setTimeout as sleep } from 'node:timers/promises';
import { processExecutor } from '../../src/index.js';
import { hostIn, outputScope, scope } from './bench.js';

/** Where this file lies: a process of its own loads it. */
export const busyAgentFile = import.meta.filename;

/** Prepares sandboxes, says so on stdout, and starts one step after the other; every other sandbox is made ahead. */
export async function runBusyAgent(stateDir: string, owner: string, sandboxes: string): Promise<void> {
  const executor = await processExecutor({ level: 'sandbox' }).open(hostIn(stateDir, owner));
  const ready = [];
  for (let slot = 0; slot < Number(sandboxes); slot++) {
    const request = {
      jobId: 'job',
      epoch: 1,
      sandboxId: `sandbox-${slot}`,
      slot,
      steps: slot % 2,
      services: [],
      network: slot < 8 ? 'isolated' : 'none',
      limits: {},
      profile: 'standard',
      deadlineMs: 600_000,
      onLost: 'fail',
    } as const;
    ready.push(await executor.prepare(request, await executor.allocate(request, scope()), scope()));
  }
  process.stdout.write('ready\n');
  const step = { id: 'step', argv: ['sh', '-c', '(setsid sleep 600 &); sleep 600'], env: {} } as const;
  for (const sandbox of ready) {
    void sandbox.run(step, outputScope().stepScope);
    await sleep(2);
  }
  await sleep(600_000);
}
