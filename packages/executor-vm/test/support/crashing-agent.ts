import { setTimeout as sleep } from 'node:timers/promises';
import { vmExecutor } from '../../src/index.js';
import { hostIn, scope, testOptions } from './bench.js';

/** Where this file lies: a process of its own loads it. */
export const crashingAgentFile = import.meta.filename;

/** What the agent after it is to find, and what had not left the machine. */
export const gathered = { include: ['out'], exclude: [], dotfiles: false, maxFiles: 10, maxBytes: 1_000_000 };

/** Takes files out of its machine, waits until another machine is ready, starts a step that runs for ever, says so on stdout, and waits to be killed. */
export async function runCrashingAgent(stateDir: string, owner: string): Promise<void> {
  const executor = await vmExecutor(testOptions({ warmMachines: 1 })).open(hostIn(stateDir, owner));
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
  const run = (id: string, script: string) =>
    sandbox.run(
      { id, argv: ['sh', '-c', script], env: {} },
      {
        signal: new AbortController().signal,
        stop: { signal: 'SIGTERM', graceMs: 1_000 },
        output: { write: (_, bytes) => void process.stdout.write(bytes) },
      },
    );
  await run('build', 'mkdir out; printf built > out/tool; ln -s tool out/t; printf no > other');
  await sandbox.gather?.([gathered], new AbortController().signal);
  const ready = async () => (await executor.probe(new AbortController().signal)).facts['warmMachines'] === 1;
  while (!(await ready())) await sleep(20);
  await run('step', "trap '' TERM; echo running; while :; do sleep 1; done");
}
