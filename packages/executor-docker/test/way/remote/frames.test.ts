import { expect, it } from 'vitest';
import { Frames } from '../../../src/way/remote/frames.js';

const frame = (stream: number, text: string) => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

it('takes two streams apart, byte by byte as well as at once', () => {
  const all = Buffer.concat([frame(1, 'out'), frame(2, 'err'), frame(1, ''), frame(1, 'more')]);
  for (const size of [1, 3, 1000]) {
    const seen = { stdout: '', stderr: '' };
    const frames = new Frames((name, bytes) => (seen[name] += bytes.toString()));
    for (let at = 0; at < all.length; at += size) frames.take(all.subarray(at, at + size));
    expect(seen).toEqual({ stdout: 'outmore', stderr: 'err' });
  }
});

it('refuses what is no such stream', () => {
  expect(() => new Frames(() => undefined).take(Buffer.from('HTTP/1.1 400 Bad Request'))).toThrow('no frames');
});
