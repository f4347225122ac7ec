import { childrenCpuOf, cpuOf, figure, milliseconds } from './figures.js';
import { startSystem } from './system.js';

const jobs = 200;
const atOnce = 8;

/** Many small jobs through the API server: how many a second, and what each costs. */
export async function manyJobs(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: atOnce });
  const before = await costs(system);
  const begin = performance.now();
  const ids: string[] = [];
  for (let count = 0; count < jobs; count += 1) {
    ids.push(await system.submit({ version: 1, name: `job ${count}`, steps: [{ run: 'true' }] }));
  }
  const ends = await Promise.all(ids.map((id) => system.ended(id)));
  const seconds = (performance.now() - begin) / 1000;
  const wrong = ends.filter(({ state }) => state !== 'succeeded').length;
  if (wrong > 0) throw new Error(`${wrong} jobs did not succeed`);
  const after = await costs(system);
  figure(`${jobs} jobs of \`true\`, ${atOnce} at once`, `${(jobs / seconds).toFixed(1)} jobs/s`, '', undefined);
  figure('  CPU time a job: agent', milliseconds((after.agent - before.agent) / jobs), '', undefined);
  figure('  CPU time a job: sandbox and build', milliseconds((after.builds - before.builds) / jobs), '', undefined);
  figure('  CPU time a job: server', milliseconds((after.server - before.server) / jobs), '', undefined);
}

async function costs({ agentPid, serverPid }: { readonly agentPid: number; readonly serverPid: number }) {
  const [agent, builds, server] = await Promise.all([cpuOf(agentPid), childrenCpuOf(agentPid), cpuOf(serverPid)]);
  return { agent, builds, server };
}
