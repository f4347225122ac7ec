import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MarkedStream } from '../../src/machine/marked-stream.js';

const mark = '0123456789abcdef'.repeat(2);

function port() {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  return { stream, marked: new MarkedStream(stream) };
}

describe('what comes through a port', () => {
  it('is passed on byte for byte up to the mark, however it is cut', async () => {
    const nearly = fc.constantFrom(`\x01${mark.slice(0, 20)}`, '\x01', `\x01${mark}x`, `\x01${mark.toUpperCase()}\n`);
    const part = fc.oneof(fc.uint8Array({ maxLength: 40 }), nearly);
    await fc.assert(
      fc.asyncProperty(fc.array(part), fc.array(fc.nat(60)), async (parts, cuts) => {
        const text = Buffer.concat(parts.map((each) => Buffer.from(each)));
        const whole = Buffer.concat([text, Buffer.from(`\x01${mark}\n`)]);
        const { stream, marked } = port();
        const seen: Buffer[] = [];
        const ended = marked.begin(mark, (bytes) => seen.push(Buffer.from(bytes)));
        for (let at = 0, cut = 0; at < whole.length; cut++) {
          const length = Math.max(1, cuts[cut] ?? whole.length);
          stream.push(whole.subarray(at, at + length));
          at += length;
        }
        await ended;
        expect(Buffer.concat(seen)).toEqual(text);
      }),
    );
  });

  it('is not read between two uses', async () => {
    const { stream, marked } = port();
    stream.push('nobody asked');
    await new Promise((resolve) => setImmediate(resolve));
    expect(stream.readableLength).toBe(12);
    const seen: string[] = [];
    const ended = marked.begin(mark, (bytes) => seen.push(bytes.toString()));
    stream.push(`\x01${mark}\n`);
    await ended;
    expect(seen.join('')).toBe('nobody asked');
  });

  it('ends when the machine does', async () => {
    const { stream, marked } = port();
    const ended = marked.begin(mark, () => undefined);
    stream.destroy();
    await ended;
    await marked.begin(mark, () => undefined);
  });
});
