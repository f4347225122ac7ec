import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuOf, figure, mebibytes, memoryOf, milliseconds, percentile } from './figures.js';
import { bin, startSystem } from './system.js';

const watchedMs = 30_000;

/** What a worker costs that has nothing to do, and how fast the command line starts. */
export async function idle(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 2 });
  const before = await cpuOf(system.agentPid);
  await delay(watchedMs);
  const share = ((await cpuOf(system.agentPid)) - before) / watchedMs;
  const { now } = await memoryOf(system.agentPid);
  figure('idle agent: resident memory', mebibytes(now), '< 90 MB', now < 90e6);
  figure('idle agent: share of a core', `${(share * 100).toFixed(2)} %`, '< 0.5 %', share < 0.005);
  const version = percentile(times([bin, '--version']), 0.5);
  figure('ritmo-agent --version, p50', milliseconds(version), '< 120 ms', version < 120);
  figure('  floor: node -e 0', milliseconds(percentile(times(['-e', '0']), 0.5)), '', undefined);
}

function times(args: readonly string[]): number[] {
  return Array.from({ length: 11 }, () => {
    const begin = performance.now();
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
    return performance.now() - begin;
  });
}
