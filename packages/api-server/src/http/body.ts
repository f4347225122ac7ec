import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ApiError } from '../errors.js';

const inflate = promisify(gunzip);

/** A sender that says nothing for so long is gone. */
const idleMs = 60_000;

/** The body as it arrives, cut off when it stands still. */
export async function* bodyOf(incoming: IncomingMessage): AsyncGenerator<Uint8Array, void, void> {
  const { socket } = incoming;
  const onIdle = () => incoming.destroy(new Error('the body stopped arriving'));
  socket.setTimeout(idleMs, onIdle);
  try {
    // Not destroyed when the reader stops early: the answer still has to leave by this socket.
    for await (const chunk of incoming.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
    if (!incoming.complete) throw new ApiError('RITMO_INVALID_REQUEST', 'The body was cut off.', { retryable: true });
  } finally {
    socket.setTimeout(0);
    socket.off('timeout', onIdle);
  }
}

/** The whole body, inflated where it is gzip; throws RITMO_TOO_LARGE above `maxBytes`, before or after inflating. */
export async function readBody(incoming: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(incoming.headers['content-length'] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(incoming)) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  const encoding = incoming.headers['content-encoding']?.toLowerCase() ?? 'identity';
  if (encoding === 'identity') return bytes;
  if (encoding !== 'gzip')
    throw new ApiError('RITMO_INVALID_REQUEST', `Content-Encoding ${encoding} is not taken.`, {
      status: 415,
      hint: 'Send gzip, or as it is.',
    });
  return inflateBody(bytes, maxBytes);
}

async function inflateBody(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  try {
    return await inflate(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new ApiError('RITMO_INVALID_REQUEST', 'The body is not gzip.', { cause: error });
  }
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError('RITMO_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`);
}
