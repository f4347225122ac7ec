import type { ArtifactSource } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';

/** A part of a file, whole, in `spare` where that has its length. Throws RITMO_ARTIFACT_UPLOAD, not retryable, when it is not as long as it was. */
export async function readBytes(
  source: ArtifactSource,
  start: number,
  end: number,
  signal: AbortSignal,
  spare?: Uint8Array,
): Promise<Uint8Array> {
  const whole = spare?.length === end - start ? spare : Buffer.allocUnsafeSlow(end - start);
  let length = 0;
  for await (const bytes of source.read(start, end, whole)) {
    signal.throwIfAborted();
    if (length + bytes.length > whole.length) throw changed(source, 'grew');
    if (!isAt(bytes, whole, length)) whole.set(bytes, length);
    length += bytes.length;
  }
  if (length < whole.length) throw changed(source, 'shrank');
  return whole;
}

/** Whether the bytes were read into `whole`, at this place. */
function isAt(bytes: Uint8Array, whole: Uint8Array, at: number): boolean {
  return bytes.buffer === whole.buffer && bytes.byteOffset === whole.byteOffset + at;
}

/** A part of a file as it is read. Throws as `readBytes` does. */
export async function* streamed(source: ArtifactSource, start: number, end: number): AsyncGenerator<Uint8Array> {
  let left = end - start;
  for await (const bytes of source.read(start, end)) {
    left -= bytes.length;
    if (left < 0) throw changed(source, 'grew');
    yield bytes;
  }
  if (left > 0) throw changed(source, 'shrank');
}

function changed(source: ArtifactSource, what: string): RitmoError {
  return new RitmoError('RITMO_ARTIFACT_UPLOAD', `${source.path} ${what} while it was read.`, {
    retryable: false,
    hint: 'Files must not change once the steps have ended.',
  });
}
