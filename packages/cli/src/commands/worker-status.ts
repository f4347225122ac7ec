import { oneLine, showDuration, showSize } from '@ritmo/protocol';
import { RitmoError } from '@ritmo/agent-core/executor';
import { z } from 'zod';
import { Http, reasonOf } from '../api/http.js';
import type { Output } from '../io.js';
import type { HostPort } from '../options/kinds.js';
import { table } from '../render/table.js';

/** What a worker says at `/status`, as far as it is shown; the rest is kept for `--json`. */
const workerStatus = z.looseObject({
  state: z.string(),
  reasons: z.array(z.string()),
  worker: z
    .looseObject({
      name: z.string(),
      labels: z.record(z.string(), z.string()),
      slots: z.looseObject({ max: z.number(), held: z.number() }),
      running: z.array(z.looseObject({ jobId: z.string(), phase: z.string() })),
      lastClaim: z.looseObject({ at: z.string(), offers: z.number() }).optional(),
      heartbeat: z.looseObject({ lastAnswer: z.string().optional(), failedInRow: z.number() }),
      disk: z.looseObject({ freeBytes: z.number(), minFreeBytes: z.number() }).optional(),
      executors: z.array(z.looseObject({ name: z.string(), health: z.string(), detail: z.string() })),
    })
    .optional(),
});
export type WorkerStatusAnswer = z.output<typeof workerStatus>;

/**
 * Asks a worker itself, at its `--health-addr`.
 * @throws RITMO_SERVER_UNREACHABLE
 */
export async function askWorker({ host, port }: HostPort, signal: AbortSignal): Promise<WorkerStatusAnswer> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/status`;
  const unreachable = (why: string) =>
    new RitmoError('RITMO_SERVER_UNREACHABLE', `No worker answers at ${url}: ${why}.`, {
      hint: 'The worker has to be started with this --health-addr.',
    });
  await using http = new Http(true, {});
  const answer = await http
    .send({ method: 'GET', url, headers: {}, signal, silenceMs: 10_000 })
    .catch((error: unknown) => {
      throw unreachable(error instanceof RitmoError ? reasonOf(error.cause) : reasonOf(error));
    });
  const text = await answer.text();
  try {
    return workerStatus.parse(JSON.parse(text));
  } catch {
    throw unreachable('what answers is no worker');
  }
}

/** The answer to "why is it idle", and beneath it what that follows from. */
export function workerStatusText({ state, reasons, worker }: WorkerStatusAnswer, { style }: Output, now = Date.now()) {
  const head = [style.bold(oneLine(state)), ...reasons.map(oneLine)].join('  ');
  if (!worker) return `${head}\n`;
  const ago = (at: string | undefined) =>
    at === undefined ? 'never' : `${showDuration(Math.max(0, now - Date.parse(at)))} ago`;
  const jobs = (count: number) => `${count} ${count === 1 ? 'job' : 'jobs'}`;
  const { lastClaim, heartbeat, disk } = worker;
  const labels = Object.entries(worker.labels).map(([key, value]) => `${key}=${value}`);
  const failed = heartbeat.failedInRow === 0 ? '' : `, ${heartbeat.failedInRow} without an answer since`;
  const rows = [
    ['worker', oneLine(worker.name)],
    ['labels', oneLine(labels.join(' ')) || 'none'],
    ['builds', `${worker.slots.held} of ${worker.slots.max}`],
    ...worker.running.map(({ jobId, phase }) => ['', `${oneLine(jobId)} ${oneLine(phase)}`]),
    ['last claim', lastClaim === undefined ? 'none answered yet' : `${ago(lastClaim.at)}, ${jobs(lastClaim.offers)}`],
    ['heartbeat', `${ago(heartbeat.lastAnswer)}${failed}`],
    ...(disk ? [['disk', `${showSize(disk.freeBytes)} free, ${showSize(disk.minFreeBytes)} wanted`]] : []),
    ...worker.executors.map(({ name, health, detail }) => [oneLine(name), [health, detail].filter(Boolean).join(': ')]),
  ];
  return `${head}\n${table(rows.map((row) => row.map(oneLine)))}`;
}
