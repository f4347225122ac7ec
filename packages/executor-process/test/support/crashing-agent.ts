import { processExecutor } from '../../src/index.js';
import { hostIn, scope } from './bench.js';

/** Where this file lies: a process of its own loads it. */
export const crashingAgentFile = import.meta.filename;

/** Starts a step that ignores signals and runs for ever, says so on stdout, and waits to be killed. */
export async function runCrashingAgent(
  stateDir: string,
  level: 'sandbox' | 'bare',
  owner = 'crashing',
  deadlineMs = '600000',
  detached = 'detached',
): Promise<void> {
  const executor = await processExecutor({ level }).open(hostIn(stateDir, owner));
  const request = {
    jobId: 'job',
    epoch: 1,
    sandboxId: 'left',
    slot: 0,
    services: [],
    network: executor.capabilities.defaultNetwork,
    limits: {},
    profile: 'standard',
    deadlineMs: Number(deadlineMs),
    onLost: 'fail',
  } as const;
  const sandbox = await executor.prepare(request, await executor.allocate(request, scope()), scope());
  const forever = "trap '' TERM HUP; while :; do sleep 1; done";
  await sandbox.run(
    {
      id: 'step',
      argv: [
        'sh',
        '-c',
        `${detached === 'detached' ? '(setsid sh -c "$1" &); ' : ''}echo running; eval "$1"`,
        'sh',
        forever,
      ],
      env: {},
    },
    {
      signal: new AbortController().signal,
      stop: { signal: 'SIGTERM', graceMs: 1_000 },
      output: { write: (_, bytes) => void process.stdout.write(bytes) },
    },
  );
}
