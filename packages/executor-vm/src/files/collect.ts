import { PassThrough } from 'node:stream';
import type { CollectedEntry, CollectRequest } from '@ritmo/agent-core/executor';
import { ArchiveFiles, type Spool } from '@ritmo/host-linux';
import type { MarkedStream } from '../machine/marked-stream.js';

const waitingBytes = 4 * 1024 * 1024;

/** Reads the archive that a guest sends up to the mark, and takes what the patterns mean into the spool; sorted by path. */
export async function readCollected(
  data: MarkedStream,
  mark: string,
  request: CollectRequest,
  spool: Spool,
): Promise<CollectedEntry[]> {
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
    return files.entries();
  } finally {
    source.destroy();
    // What is still to come is thrown away, up to the mark.
    data.resume();
  }
}
