import { setTimeout as sleep } from 'node:timers/promises';
import { RitmoError } from '@ritmo/agent-core/executor';
import { endStates, type JobDetail, type LogLine, LogLineSplitter } from '@ritmo/protocol';
import type { ApiClient } from './client.js';
import { isSilence } from './http.js';

export interface FollowOptions {
  readonly client: Pick<ApiClient, 'log' | 'job'>;
  readonly jobId: string;
  readonly signal: AbortSignal;
  /** Called once when the server is lost, and once, with nothing, when it is back. */
  readonly onConnection: (lost: RitmoError | undefined) => void;
  /** Called when the log that was read so far does not stand any more, and comes again from its start. */
  readonly onBegunAnew?: () => void;
  /** How long the server may be away, in milliseconds. */
  readonly patienceMs?: number;
  /** Pause before the second try, in milliseconds; doubled up to twenty times as long. */
  readonly pauseMs?: number;
}

/** How far the log was read. */
interface Cursor {
  epoch: number;
  edition: number;
  /** Bytes of whole lines of this attempt. */
  offset: number;
  /** With a last line that is not whole. */
  received: number;
}

/**
 * Every line of a job's log, of each attempt in its order, until the job has ended; then the job. A lost connection is
 * taken up where it broke, without gap or repeat. Rejects when the server refuses, or is away for too long.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<LogLine, JobDetail> {
  const { client, jobId, signal, onConnection, patienceMs = 10 * 60_000, pauseMs = 250 } = options;
  const cursor: Cursor = { epoch: 0, edition: 1, offset: 0, received: 0 };
  let pause = pauseMs;
  let reached = false;
  let lostAt: number | undefined;
  const found = () => {
    reached = true;
    pause = pauseMs;
    if (lostAt !== undefined) onConnection(undefined);
    lostAt = undefined;
  };
  for (;;) {
    try {
      for await (const line of readOn(options, cursor)) {
        found();
        yield line;
      }
      const job = await client.job(jobId, signal);
      found();
      if (endStates.has(job.state) && hasAll(job, cursor)) return job;
    } catch (error) {
      if (isSilence(error)) continue;
      if (error instanceof BegunAnew) {
        Object.assign(cursor, { edition: error.edition, offset: 0, received: 0 });
        options.onBegunAnew?.();
        continue;
      }
      if (!isAway(error) || !reached) throw error;
      if (lostAt === undefined) onConnection(error);
      lostAt ??= performance.now();
      if (performance.now() - lostAt > patienceMs) throw error;
    }
    await sleep(pause, undefined, { signal });
    pause = Math.min(pause * 2, pauseMs * 20);
  }
}

/** First the rest of the attempt at the cursor, then what comes after it. */
async function* readOn({ client, jobId, signal }: FollowOptions, cursor: Cursor): AsyncGenerator<LogLine> {
  if (cursor.epoch > 0) {
    const splitter = new LogLineSplitter();
    const heard = (edition: number) => {
      if (edition !== cursor.edition) throw new BegunAnew(edition);
    };
    const from = { attempt: cursor.epoch, offset: cursor.offset, follow: true, heard };
    for await (const bytes of client.log(jobId, from, signal)) {
      for (const line of splitter.lines(bytes)) {
        cursor.offset += line.bytes;
        yield line;
      }
      cursor.received = cursor.offset + splitter.held;
    }
    const job = await client.job(jobId, signal);
    if (endStates.has(job.state) && hasAll(job, cursor)) return;
  }
  const before = cursor.epoch;
  const splitter = new LogLineSplitter();
  let epoch = 0;
  let edition = 1;
  const heard = (first: number) => void (edition = first);
  for await (const bytes of client.log(jobId, { follow: true, heard }, signal)) {
    for (const line of splitter.lines(bytes)) {
      if (line.record?.k === 'log') {
        // What was heard is of the first attempt that comes.
        if (epoch !== 0) edition = 1;
        epoch = line.record.epoch;
      }
      // Attempts that were read before come again.
      if (epoch <= before) continue;
      if (epoch !== cursor.epoch) Object.assign(cursor, { epoch, edition, offset: 0 });
      cursor.offset += line.bytes;
      yield line;
    }
    if (epoch > before) cursor.received = cursor.offset + splitter.held;
  }
}

/** The server has another edition of the log than was read. */
class BegunAnew extends Error {
  readonly edition: number;

  constructor(edition: number) {
    super('the log was begun anew');
    this.edition = edition;
  }
}

function hasAll(job: JobDetail, { epoch, received }: Cursor): boolean {
  const last = job.attempts.findLast(({ log }) => log.length > 0);
  return last === undefined || last.epoch < epoch || (last.epoch === epoch && last.log.length <= received);
}

function isAway(error: unknown): error is RitmoError {
  return (
    error instanceof RitmoError && (error.code === 'RITMO_SERVER_UNREACHABLE' || error.code === 'RITMO_UNAVAILABLE')
  );
}
