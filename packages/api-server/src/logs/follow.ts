import type { LogStore } from './log-store.js';

const chunkBytes = 256 * 1024;

/** From where a follower reads, in the log as it was when he came. */
export interface FollowStart {
  readonly offset: number;
  readonly edition: number;
}

/** What a follower asks about the attempt it reads. */
export interface FollowScope {
  /** True once nothing more can come. */
  over(): boolean;
  readonly signal: AbortSignal;
}

/** Bytes of one attempt's log: what is there, then what comes, until the attempt is over. Throws where it is begun anew. */
export async function* followLog(
  logs: LogStore,
  jobId: string,
  epoch: number,
  { offset, edition }: FollowStart,
  scope: FollowScope,
): AsyncGenerator<Uint8Array, void, void> {
  const { log, release } = await logs.acquire(jobId, epoch);
  const { generation } = log;
  const following = log.follow();
  try {
    if (logs.edition(jobId, epoch) !== edition) throw begunAnew();
    let at = offset;
    for (;;) {
      // Asked before reading: what arrived until then is read, nothing comes after, and no change is slept through.
      const { changes } = log;
      const over = scope.over();
      const bytes = await log.readShared(at);
      if (log.generation !== generation) throw begunAnew();
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

const begunAnew = () => new Error('the log was begun anew');

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
