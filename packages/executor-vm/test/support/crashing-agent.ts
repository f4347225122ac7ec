import { vmExecutor } from '../../src/index.js';
import { hostIn, scope, testOptions } from './bench.js';

/** Where this file lies: a process of its own loads it. */
export const crashingAgentFile = import.meta.filename;

/** Starts a step that runs for ever, says so on stdout, and waits to be killed. */
export async function runCrashingAgent(stateDir: string, owner: string): Promise<void> {
  const executor = await vmExecutor(testOptions()).open(hostIn(stateDir, owner));
  const request = {
    jobId: 'job',
    epoch: 1,
    sandboxId: 'left',
    slot: 0,
    services: [],
    network: executor.capabilities.defaultNetwork,
    limits: {},
    profile: 'standard',
    deadlineMs: 600_000,
    onLost: 'fail',
  } as const;
  const sandbox = await executor.prepare(request, await executor.allocate(request, scope()), scope());
  await sandbox.run(
    { id: 'step', argv: ['sh', '-c', "trap '' TERM; echo running; while :; do sleep 1; done"], env: {} },
    {
      signal: new AbortController().signal,
      stop: { signal: 'SIGTERM', graceMs: 1_000 },
      output: { write: (_, bytes) => void process.stdout.write(bytes) },
    },
  );
}
