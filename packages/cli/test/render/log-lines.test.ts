import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogLines } from '../../src/render/log-lines.js';

const note = (m: string) => JSON.stringify({ t: 0, k: 'note', level: 'info', m });

describe('the lines of a log', () => {
  test('are the same wherever its bytes are cut', () => {
    const texts = fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 8 });
    fc.assert(
      fc.property(texts, fc.array(fc.nat({ max: 30 })), (messages, cuts) => {
        const bytes = Buffer.from(messages.map((message) => `${note(message)}\n`).join(''));
        const lines = new LogLines();
        const read = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          read.push(...lines.push(bytes.subarray(at, at + cut)));
          at += cut;
        }
        expect(read.map(({ record }) => (record?.k === 'note' ? record.m : undefined))).toEqual(messages);
        expect(read.reduce((sum, line) => sum + line.bytes, 0)).toBe(bytes.length);
        expect(lines.pending).toBe(0);
      }),
    );
  });

  test('do not change when their chunk is used again', () => {
    const lines = new LogLines();
    const chunk = Buffer.from(note('hello').slice(0, 20));
    lines.push(chunk);
    chunk.fill(0);
    const [line] = lines.push(Buffer.from(`${note('hello').slice(20)}\n`));
    expect(line?.record).toMatchObject({ m: 'hello' });
  });

  test('of a newer kind, that are no JSON or too long have no record, and the next has', () => {
    const lines = new LogLines();
    const text = ['{"k":"new","t":1}', 'no json', `"${'x'.repeat(1024 * 1024)}"`, note('after'), ''].join('\n');
    expect(lines.push(Buffer.from(text)).map(({ record }) => record?.k)).toEqual([
      undefined,
      undefined,
      undefined,
      'note',
    ]);
  });

  test('that are not whole are pending', () => {
    const lines = new LogLines();
    expect(lines.push(Buffer.from('{"k"'))).toEqual([]);
    expect(lines.pending).toBe(4);
  });
});
