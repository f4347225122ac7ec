import { PassThrough } from 'node:stream';
import type { CollectRequest } from '@ritmo/agent-core/executor';
import { ArchiveFiles, type Spool, type SpooledEntry } from '@ritmo/host-linux';
import type { MarkedStream } from '../machine/marked-stream.js';

const waitingBytes = 4 * 1024 * 1024;

/** Reads the archive that a guest sends up to the mark, and takes what the patterns mean into the spool; sorted by path. */
export async function readCollected(
  data: MarkedStream,
  mark: string,
  request: CollectRequest,
  spool: Spool,
): Promise<SpooledEntry[]> {
  const files = new ArchiveFiles(request, spool);
  const source = new PassThrough({ highWaterMark: waitingBytes });
  source.on('error', () => undefined);
  source.on('drain', () => data.resume());
  const ended = data.begin(mark, (bytes) => {
    if (!source.destroyed && !source.write(bytes)) data.pause();
  });
  void ended.then(() => source.end());
  try {
    await files.read(source);
    return files.spooled();
  } finally {
    source.destroy();
    // What is still to come is thrown away, up to the mark.
    data.resume();
  }
}
