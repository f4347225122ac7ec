import { type JobDetail, type JobSummary, oneLine, showDuration, type WorkerSummary } from '@ritmo/protocol';
import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../io.js';
import type { statusKeys } from '../options/groups.js';
import { finalLine } from '../render/final-line.js';
import { table } from '../render/table.js';
import type { Context } from './command.js';
import { durationOf } from './follow-job.js';
import { callMs } from './submit.js';
import { askWorker, workerStatusText } from './worker-status.js';
import { jsonText } from '../render/json-text.js';

/** Shows workers and the newest jobs, or one job, or with a health address what one worker says of itself. */
export async function status({ settings, args, io }: Context<(typeof statusKeys)[number]>): Promise<number> {
  const signal = AbortSignal.timeout(callMs);
  if (settings.healthAddr !== undefined) {
    const said = await askWorker(settings.healthAddr, signal);
    io.out.write(settings.json ? `${jsonText(JSON.stringify(said), io.out)}\n` : workerStatusText(said, io.out));
    return exitCodes.ok;
  }
  await using client = await connect(settings, io.env, signal);
  const [id] = args;
  if (id !== undefined) {
    const job = await client.job(id, signal);
    io.out.write(settings.json ? `${jsonText(JSON.stringify(job), io.out)}\n` : jobText(job, io.out));
    return exitCodes.ok;
  }
  const [workers, jobs] = await Promise.all([client.workers(signal), client.jobs(signal)]);
  if (settings.json) io.out.write(`${jsonText(JSON.stringify({ workers, jobs }), io.out)}\n`);
  else io.out.write(`${workersText(workers, io.out)}\n${jobsText(jobs, io.out)}`);
  return exitCodes.ok;
}

function workersText(workers: readonly WorkerSummary[], { style }: Output): string {
  if (workers.length === 0) return 'no workers\n';
  const rows = workers.map((worker) => [
    oneLine(worker.name),
    [worker.state, ...worker.reasons.map(oneLine)].join(', '),
    `${worker.running.length}/${worker.maxConcurrent}`,
    worker.isolation.map(({ name }) => oneLine(name)).join(', '),
    labelsText(worker.labels),
  ]);
  return table([['WORKER', 'STATE', 'BUILDS', 'ISOLATION', 'LABELS'].map(style.bold), ...rows]);
}

function jobsText(jobs: readonly JobSummary[], { style }: Output): string {
  if (jobs.length === 0) return 'no jobs\n';
  const rows = jobs.map((job) => {
    const took = durationOf(job);
    return [
      job.id,
      oneLine(job.name),
      stateText(job),
      took === undefined ? '' : showDuration(took),
      job.createdAt,
      oneLine(job.worker ?? ''),
    ];
  });
  return table([['JOB', 'NAME', 'STATE', 'TOOK', 'CREATED', 'WORKER'].map(style.bold), ...rows]);
}

function jobText(job: JobDetail, { style }: Output): string {
  const facts = table([
    ['job', job.id],
    ['name', oneLine(job.name)],
    ['state', stateText(job)],
    ['worker', oneLine(job.worker ?? 'none')],
    ['attempts', String(job.attempts.length)],
    ['artifacts', String(job.artifacts)],
    ['created', job.createdAt],
  ]);
  const steps = job.steps.map(({ name, status: end, durationMs }) => [
    `  ${oneLine(name)}`,
    end.replace('_', ' '),
    showDuration(durationMs),
  ]);
  const places = (job.placement ?? []).map(({ worker, fits, reasons }) => [
    `  ${oneLine(worker)}`,
    fits ? 'fits' : oneLine(reasons.join(', ')),
  ]);
  const ended =
    job.endedAt === undefined
      ? ''
      : finalLine({ state: job.state, durationMs: durationOf(job), failure: job.failure }, style);
  return [
    facts,
    steps.length === 0 ? '' : `steps\n${table(steps)}`,
    places.length === 0 ? '' : `workers\n${table(places)}`,
    ended,
  ].join('');
}

function stateText({ state, cancelling }: JobSummary): string {
  return cancelling ? `${state}, being cancelled` : state.replace('_', ' ');
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return oneLine(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  );
}
