import { figure, milliseconds, percentile } from './figures.js';
import { startSystem, type System } from './system.js';

const rounds = 60;
const threeSteps = {
  version: 1,
  name: 'latency-of-three',
  steps: [{ run: 'echo one' }, { run: 'echo two' }, { run: 'echo three' }],
};
const job = { version: 1, name: 'latency', steps: [{ run: 'echo hello' }] };

interface Offers {
  readonly offers: ReadonlyArray<{ readonly lease: { readonly jobId: string } }>;
}

/** How long a job waits on an idle worker: to its claim, to its first log byte at the server, to its end. */
export async function latency(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: 2 });
  const claimed: number[] = [];
  const firstByte: number[] = [];
  const finished: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const { id, begin, claim, finish } = await run(system, job);
    const log = system.tap.calls.find(({ path, method }) => method === 'PUT' && path.startsWith(`/v1/jobs/${id}/log`));
    if (!log) throw new Error('a call did not come through the tap');
    if (round < 5) continue;
    claimed.push(claim.answered - begin);
    firstByte.push(log.answered - claim.answered);
    finished.push(finish.answered - claim.answered);
  }
  // In turn, so that other work on the machine meets both; in rows, since what a job's end makes ready for the next one runs on.
  const three: Record<'none' | 'isolated', number[]> = { none: [], isolated: [] };
  for (let round = 0; round < rounds; round += 1) {
    const network = round % 20 < 10 ? 'none' : 'isolated';
    const { claim, finish } = await run(system, { ...threeSteps, network });
    if (round % 10 > 1) three[network].push(finish.answered - claim.answered);
  }
  const p50 = (values: readonly number[]) => percentile(values, 0.5);
  figure('submit to claimed, idle worker, p50', milliseconds(p50(claimed)), '< 15 ms', p50(claimed) < 15);
  figure(
    'claim answer to first log byte at the server, p50',
    milliseconds(p50(firstByte)),
    '< 40 ms',
    p50(firstByte) < 40,
  );
  figure('claim answer to finish acknowledged, p50', milliseconds(p50(finished)), '', undefined);
  const none = p50(three.none);
  figure(
    'three steps, network none: claim answer to finish acknowledged, p50',
    milliseconds(none),
    '< 100 ms',
    none < 100,
  );
  figure('three steps, network isolated: the same, p50', milliseconds(p50(three.isolated)), '', undefined);
}

/** One job, from its submission to the call that says its end. */
async function run(system: System, wanted: object) {
  system.tap.clear();
  const begin = performance.now();
  const id = await system.submit(wanted);
  await system.ended(id);
  const { calls } = system.tap;
  const claim = calls.find(
    ({ path, status, body }) =>
      path.endsWith('/claims') &&
      status === 200 &&
      (JSON.parse(body) as Offers).offers.some(({ lease }) => lease.jobId === id),
  );
  const finish = calls.find(({ path }) => path === `/v1/jobs/${id}/finish`);
  if (!claim || !finish) throw new Error('a call did not come through the tap');
  return { id, begin, claim, finish };
}
