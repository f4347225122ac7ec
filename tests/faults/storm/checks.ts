import { type JobDetail, type LogRecord, LogLineSplitter } from '@ritmo/protocol';
import { createHash } from 'node:crypto';
import type { Fault, Plan } from './faults.js';
import type { Lab } from './lab.js';

const ended = ['succeeded', 'failed', 'cancelled', 'timed_out', 'errored'];

/** Faults that a build survives: whatever the server or the clocks do, it goes on and ends well. */
const harmless: ReadonlySet<Fault> = new Set<Fault>(['server', 'memory', 'clock']);

/** Faults that builds in Docker survive as well: they outlive their agent. */
const outlived: ReadonlySet<Fault> = new Set<Fault>(['agent', 'upgrade']);

interface SeenAttempt {
  readonly epoch: number;
  readonly state: string;
  readonly bytes: number;
  readonly records: readonly LogRecord[];
}

/** What the server's own records say against the promises, for one job; nothing where all of them were kept. */
export async function brokenPromises(lab: Lab, job: JobDetail, { fault }: Plan): Promise<readonly string[]> {
  const attempts: SeenAttempt[] = [];
  const broken: string[] = [];
  for (const { epoch, state, log } of job.attempts) {
    const bytes = await lab.log(job.id, epoch);
    attempts.push({ epoch, state, bytes: bytes.length, records: new LogLineSplitter().push(bytes) });
    if (bytes.length !== log.length)
      broken.push(`the log of attempt ${epoch} has ${bytes.length} of ${log.length} bytes`);
    if (epoch === job.epoch && !log.sealed && began(job)) broken.push('its log is not sealed');
  }
  const goesOn = harmless.has(fault) || (outlived.has(fault) && lab.isolation === 'docker');
  broken.push(...brokenEnd(job, attempts), ...attempts.flatMap((attempt) => brokenLog(job, attempt, fault)));
  broken.push(...(await brokenArtifacts(lab, job)));
  // What was still being made ready is not taken up: it is told to have crashed, before anything of it ran.
  const ran = attempts.some(({ records }) => records.some(({ k }) => k === 'step'));
  const unbegun = !ran && job.failure?.code === 'RITMO_AGENT_CRASHED';
  if (job.name === 'loud' && goesOn && !unbegun && job.state !== 'succeeded')
    broken.push(`a build that nothing hit is ${endOf(job)}`);
  if (job.name === 'again' && fault !== 'build' && job.state !== 'succeeded')
    broken.push(`a build that may run again is ${endOf(job)}`);
  if (job.name === 'early' && job.state !== 'cancelled' && job.state !== 'errored') broken.push(`it is ${job.state}`);
  if (job.name === 'greedy' && job.failure?.code !== 'RITMO_LIMIT_HIT')
    broken.push(`it ended with ${job.failure?.code}`);
  return broken.map((what) => `${job.name} (${job.id}): ${what}`);
}

/** How it ended and why, with the words of its attempts. */
const endOf = ({ state, failure, attempts }: JobDetail) =>
  `${state}${failure ? `: ${failure.message} (${failure.code}, ${failure.retryable ? 'retryable' : 'final'})` : ''}, attempts ${attempts.map((attempt) => attempt.state).join(', ')}`;

/** A job that was cancelled before it began has no log. */
const began = (job: JobDetail) => job.state !== 'cancelled' || job.startedAt !== undefined;

/** Ended exactly once, as the last of its attempts; no attempt too many. */
function brokenEnd(job: JobDetail, attempts: readonly SeenAttempt[]): string[] {
  const broken: string[] = [];
  if (!ended.includes(job.state)) broken.push(`it is ${job.state}: ${JSON.stringify(job.attempts)}`);
  if (job.endedAt === undefined) broken.push('it has no end');
  if ((job.failure === undefined) !== (job.state === 'succeeded'))
    broken.push('a success with a failure, or the reverse');
  const last = attempts.at(-1);
  if (last && last.epoch !== job.epoch) broken.push('its last attempt is not its epoch');
  if (last && last.state !== 'released' && last.state !== job.state) broken.push(`its last attempt is ${last.state}`);
  const ran = attempts.filter(({ records }) => records.some(({ k }) => k === 'step')).length;
  if (!began(job) && ran > 0) broken.push('it was cancelled before it began, and has run');
  const may = job.job.onLost === 'requeue' ? job.job.attempts : 1;
  if (ran > may) broken.push(`it has run ${ran} times and may run ${may} times`);
  if (job.state === 'succeeded' && job.steps.some(({ status }) => status !== 'succeeded'))
    broken.push('a step did not succeed');
  return broken;
}

/** Begins once, misses and repeats no line, ends as the job did. */
function brokenLog(job: JobDetail, { epoch, bytes, records }: SeenAttempt, fault: Fault): string[] {
  const broken: string[] = [];
  const where = `the log of attempt ${epoch}`;
  if (bytes === 0) return broken;
  if (records.filter(({ k }) => k === 'log').length !== 1) broken.push(`${where} begins twice, or never`);
  const printed = records.map((record) => (record.k === 'out' ? record.m : '')).join('');
  const numbers = printed.match(/^\d+$/gm)?.map(Number) ?? [];
  // A disk without a byte left cuts a log.
  const cut = fault === 'disk';
  if (job.name !== 'greedy' && !cut && numbers.some((number, at) => number !== at))
    broken.push(`${where} misses or repeats lines`);
  if (job.state === 'succeeded' && epoch === job.epoch && !cut && !printed.includes('end'))
    broken.push(`${where} has no end`);
  return broken;
}

async function brokenArtifacts(lab: Lab, job: JobDetail): Promise<string[]> {
  const broken: string[] = [];
  const artifacts = await lab.artifacts(job.id);
  if (job.state === 'succeeded' && artifacts.length !== job.job.artifacts.length)
    broken.push('its artifact is missing');
  for (const { artifactId, path, sha256, size, epoch } of artifacts) {
    if (epoch !== job.epoch) broken.push(`its artifact ${path} is of attempt ${epoch}`);
    const bytes = await lab.artifact(job.id, artifactId);
    const hash = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length !== size || (sha256 !== undefined && hash !== sha256))
      broken.push(`its artifact ${path} is damaged`);
  }
  return broken;
}
