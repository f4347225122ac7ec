import { setTimeout as delay } from 'node:timers/promises';
import { figure, mebibytes, memoryOf } from '../system/figures.js';
import { startSystem } from '../system/system.js';

const builds = 8;
const seconds = Number(process.env['RITMO_BENCH_SECONDS'] ?? 30);

/** Memory of an agent whose 8 builds print as fast as they can. RITMO_BENCH_SECONDS=300 for the whole run. */
export async function loud(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: builds, flags: ['--max-log-size', '64MiB'] });
  const ids: string[] = [];
  for (let build = 0; build < builds; build++) {
    const run = `timeout ${seconds} yes 'as fast as it can' || true`;
    ids.push(await system.submit({ version: 1, name: `build ${build}`, steps: [{ run }] }));
  }
  const samples: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await delay(1000);
    samples.push((await memoryOf(system.agentPid)).now);
  }
  for (const { state } of await Promise.all(ids.map((id) => system.ended(id))))
    if (state !== 'succeeded') throw new Error(`a build ended as ${state}`);
  const { peak } = await memoryOf(system.agentPid);
  const half = Math.floor(samples.length / 2);
  const highest = (from: number, to: number) => Math.max(...samples.slice(from, to));
  figure(`8 builds that print as fast as they can, ${seconds} s: agent`, mebibytes(peak), '< 200 MB', peak < 200e6);
  figure('  highest of the first half', mebibytes(highest(0, half)), '', undefined);
  figure('  highest of the second half', mebibytes(highest(half, samples.length)), '', undefined);
}
