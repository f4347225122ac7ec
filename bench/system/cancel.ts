import { testOptions } from '../../packages/executor-vm/test/support/bench.js';
import { image, LabDaemon } from '../../tests/faults/storm/daemon.js';
import { figure, milliseconds, percentile } from './figures.js';
import { startSystem, type System } from './system.js';

const rounds = Number(process.env['RITMO_BENCH_ROUNDS'] ?? 100);
const cutRounds = Math.ceil(rounds / 10);
/** The longest pause between two heartbeats: 10 s and a fifth. */
const beatMs = 12_000;
/** Says that the signal came, and obeys it; needs no more than a shell and `sleep`. */
const silent = {
  version: 1,
  name: 'silent',
  steps: [{ run: `trap 'echo obeyed; exit 0' TERM; echo ready; while :; do sleep 0.02; done` }],
};

/**
 * From the cancel call of a person until a reader sees that a silent step got its SIGTERM. The step looks at its signals
 * every 20 ms; that and the way of its answer through the log are part of the figure.
 */
export async function cancel(): Promise<void> {
  for (const isolation of isolations()) await measure(isolation);
}

/** Each executor that RITMO_BENCH_ISOLATION names; `process` needs nothing besides. */
function isolations(): readonly string[] {
  return (process.env['RITMO_BENCH_ISOLATION'] ?? 'process').split(',');
}

/** Resolves when the build has printed the words. */
async function printed(system: System, id: string, words: string): Promise<void> {
  const log = await system.get(`/v1/jobs/${id}/log?follow=1`);
  let seen = '';
  for await (const chunk of log.body ?? []) {
    seen += Buffer.from(chunk as Uint8Array).toString();
    if (seen.includes(words)) return;
  }
  throw new Error(`the job ended before it printed ${words}:\n${seen}`);
}

async function measure(isolation: string): Promise<void> {
  await using daemon = isolation === 'docker' ? await LabDaemon.start() : undefined;
  await using system = await startSystem({
    maxConcurrent: 2,
    isolation,
    ...(daemon && { env: { DOCKER_HOST: daemon.address } }),
    ...(isolation === 'vm' && { flags: ['--executor-options', `vm=${JSON.stringify(testOptions())}`] }),
  });
  const job = { ...silent, ...(daemon && { image }) };
  const signalled: number[] = [];
  for (let round = 0; round < rounds; round += 1) signalled.push(await one(system, job));
  const [p50, p99] = [percentile(signalled, 0.5), percentile(signalled, 0.99)];
  figure(`${isolation}: cancel call to the answer of a silent step, p50`, milliseconds(p50), '< 200 ms', p50 < 200);
  figure(`${isolation}: cancel call to the answer of a silent step, p99`, milliseconds(p99), '< 1000 ms', p99 < 1000);
  system.tap.breaks = (path) => path.includes('/events');
  const late: number[] = [];
  for (let round = 0; round < cutRounds; round += 1) late.push(await one(system, job, () => system.tap.cut()));
  const longest = Math.max(...late);
  figure(
    `${isolation}: with the event stream cut, longest of ${cutRounds}`,
    milliseconds(longest),
    '< 12 s',
    longest < beatMs,
  );
}

/** Milliseconds from the cancel call to the step's answer; `before` is called right before it. */
async function one(system: System, job: object, before: () => void = () => undefined): Promise<number> {
  const id = await system.submit(job);
  // As output: the command of the step says the words too.
  await printed(system, id, '"m":"ready');
  const obeyed = printed(system, id, '"m":"obeyed');
  before();
  const asked = performance.now();
  const [answer] = await Promise.all([system.cancel(id), obeyed]);
  const answeredMs = performance.now() - asked;
  if (!answer.ok) throw new Error(`cancel: ${answer.status}`);
  await system.ended(id);
  return answeredMs;
}
