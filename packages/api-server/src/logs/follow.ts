import type { LogStore } from './log-store.js';

const chunkBytes = 256 * 1024;

/** What a follower asks about the attempt it reads. */
export interface FollowScope {
  /** True once nothing more can come. */
  over(): boolean;
  readonly signal: AbortSignal;
}

/** Bytes of one attempt's log from `offset`: what is there, then what comes, until the attempt is over. */
export async function* followLog(
  logs: LogStore,
  jobId: string,
  epoch: number,
  offset: number,
  scope: FollowScope,
): AsyncGenerator<Uint8Array, void, void> {
  const { log, release } = await logs.acquire(jobId, epoch);
  const { generation } = log;
  const following = log.follow();
  try {
    let at = offset;
    for (;;) {
      // Asked before reading: what arrived until then is read, nothing comes after, and no change is slept through.
      const { changes } = log;
      const over = scope.over();
      const bytes = await log.readShared(at);
      if (log.generation !== generation) throw new Error('the log was begun anew');
      if (bytes.byteLength > 0) {
        at += bytes.byteLength;
        yield bytes;
      } else if (over || scope.signal.aborted) return;
      else await log.changed(changes, scope.signal);
    }
  } finally {
    following[Symbol.dispose]();
    release();
  }
}

/** Bytes of a log as it is now. */
export async function* readLog(
  logs: LogStore,
  jobId: string,
  epoch: number,
  offset: number,
): AsyncGenerator<Uint8Array, void, void> {
  const end = await logs.length(jobId, epoch);
  for (let at = offset; at < end; ) {
    const bytes = await logs.use(jobId, epoch, (log) => log.read(at, Math.min(chunkBytes, end - at)));
    if (bytes.byteLength === 0) return;
    at += bytes.byteLength;
    yield bytes;
  }
}
