import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ArtifactSource, Slots } from '@ritmo/agent-core';
import { Bucket } from '../src/client.js';
import { sendInParts } from '../src/multipart.js';
import { settingsOf } from '../src/options.js';
import { Unfinished } from '../src/unfinished.js';
import { refuse, S3Server } from './support/s3-server.js';
import { all, journal, pattern, sha256, source } from './support/sources.js';

const mebibyte = 1024 ** 2;
const { signal } = new AbortController();
const isPart = ({ method, query }: { method: string; query: URLSearchParams }) =>
  method === 'PUT' && query.has('partNumber');
let server: S3Server;

beforeEach(async () => {
  server = await S3Server.start();
});
afterEach(() => server[Symbol.asyncDispose]());

/** Sends a file as one of terabytes is sent: no part of it is held in memory. */
async function send(file: ArtifactSource, kept = journal(), requests = 16): Promise<string> {
  await using bucket = new Bucket({ ...settingsOf(server.options), attempts: 3 });
  const unfinished = await Unfinished.open(kept);
  const rest = { id: 'big', key: 'big', facts: {}, partSize: 5 * mebibyte, progress: () => undefined };
  try {
    const slots = new Slots(requests, 18 * mebibyte);
    return await sendInParts({ bucket, slots, unfinished, source: file, heldBytes: 0, signal, ...rest });
  } finally {
    unfinished.close();
  }
}

async function stored(): Promise<Buffer> {
  await using bucket = new Bucket(settingsOf(server.options));
  const body = await bucket.get('big', signal);
  return Buffer.concat(body === undefined ? [] : await all(body));
}

describe('parts that are too large for the memory', () => {
  const big = pattern(17 * mebibyte + 3);

  it('pass through: each is read for its hash, and as it is sent', async () => {
    const file = source('big', big);
    expect(await send(file)).toBe(sha256(big));
    expect((await stored()).equals(big)).toBe(true);
    expect(file.bytesRead).toBe(2 * big.length);
    const hashes = server.seen.filter(isPart).map(({ headers }) => headers['x-amz-content-sha256']);
    expect(hashes).toContain(sha256(big.subarray(15 * mebibyte)));
  });

  it('are read once where the journal has them', async () => {
    const kept = journal();
    server.faults.push(refuse(403, 'AccessDenied', 99, (seen) => seen.query.get('partNumber') === '4'));
    await expect(send(source('big', big), kept, 1)).rejects.toThrow('refuses the credentials');
    server.faults.splice(0);
    const before = server.seen.filter(isPart).length;
    const file = source('big', big);
    await send(file, kept);
    expect(server.seen.filter(isPart).length - before).toBe(1);
    expect(file.bytesRead).toBe(big.length + 2 * mebibyte + 3);
    expect((await stored()).equals(big)).toBe(true);
  });

  it.each([2, 3])('are repeated alone when the server refuses one %i times', async (times) => {
    server.faults.push(refuse(503, 'SlowDown', times, (seen) => isPart(seen) && seen.query.get('partNumber') === '2'));
    expect(await send(source('big', big))).toBe(sha256(big));
    expect((await stored()).equals(big)).toBe(true);
    expect(server.seen.filter(isPart)).toHaveLength(4 + times);
  });

  it('are repeated when their connection is cut', async () => {
    let cuts = 2;
    server.faults.push((seen, request) => {
      if (!isPart(seen) || cuts === 0) return false;
      cuts -= 1;
      request.once('data', () => request.socket.destroy());
      return true;
    });
    await send(source('big', big));
    expect((await stored()).equals(big)).toBe(true);
    expect(cuts).toBe(0);
  });

  it('end the upload where the server never takes one', async () => {
    server.faults.push(refuse(503, 'SlowDown', 99, isPart));
    await expect(send(source('big', big))).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_UPLOAD', retryable: true });
  });

  it.each([0, 1])('end it where the file is another one by then, whatever the server said before', async (refusals) => {
    server.faults.push(refuse(503, 'SlowDown', refusals, isPart));
    let reads = 0;
    const whole = source('big', big.subarray(0, 6 * mebibyte));
    const read: ArtifactSource['read'] = (start, end = 0) => whole.read(start, ++reads > 1 + refusals ? end - 1 : end);
    const file = source('big', big.subarray(0, 6 * mebibyte), { read });
    await expect(send(file)).rejects.toMatchObject({ message: 'big shrank while it was read.', retryable: false });
    expect((await stored()).length).toBe(0);
  });
});
