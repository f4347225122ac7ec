import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { childrenCpuOf, cpuOf, figure, mebibytes, memoryOf, milliseconds, percentile } from './figures.js';
import { bin, startSystem, type System } from './system.js';

/** The first seconds belong to the start: V8 gives back then what only the start needed. */
const settleMs = 15_000;
/** Long enough for three looks at the executors. */
const watchedMs = 90_000;

/** What a worker costs that has nothing to do, and how fast the command line starts. */
export async function idle(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 2 });
  const started = await shareOver(system, settleMs);
  const share = await shareOver(system, watchedMs);
  const { now } = await memoryOf(system.agentPid);
  figure('idle agent: resident memory', mebibytes(now), '< 90 MB', now < 90e6);
  figure('idle agent: share of a core', percent(share), '< 0.5 %', share < 0.005);
  figure('  the 15 s after its start', percent(started), '', undefined);
  const version = percentile(times([bin, '--version']), 0.5);
  figure('ritmo-agent --version, p50', milliseconds(version), '< 120 ms', version < 120);
  figure('  floor: node -e 0', milliseconds(percentile(times(['-e', '0']), 0.5)), '', undefined);
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;

/** CPU time of the agent and of what it ran meanwhile, by the time that passed. */
async function shareOver({ agentPid }: System, ms: number): Promise<number> {
  const spent = async () => (await cpuOf(agentPid)) + (await childrenCpuOf(agentPid));
  const before = await spent();
  await delay(ms);
  return ((await spent()) - before) / ms;
}

function times(args: readonly string[]): number[] {
  return Array.from({ length: 11 }, () => {
    const begin = performance.now();
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
    return performance.now() - begin;
  });
}
