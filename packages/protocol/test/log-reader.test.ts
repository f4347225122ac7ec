import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogLineSplitter } from '../src/log-reader.js';
import type { LogRecord } from '../src/log-record.js';

const log: LogRecord[] = [
  { k: 'log', v: 1, job: 'job-1', epoch: 2, start: '2026-01-01T00:00:00.000Z' },
  { t: 1, k: 'note', level: 'info', m: 'Pulling node:22 ✓' },
  { t: 2, k: 'step', s: 0, name: 'Test', cmd: 'npm test\n' },
  { t: 3, k: 'out', s: 0, fd: 1, m: 'grün\n"quoted" 😀' },
  { t: 4, k: 'end', s: 0, code: 0 },
];
const text = Buffer.from(log.map((record) => `${JSON.stringify(record)}\n`).join(''));

describe('a log line splitter', () => {
  it('gives the same records wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (cuts) => {
        const splitter = new LogLineSplitter();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const records = edges.slice(1).flatMap((end, i) => splitter.push(text.subarray(edges[i] as number, end)));
        expect(records).toEqual(log);
        expect(splitter.held).toBe(0);
        expect(splitter.skipped).toBe(0);
      }),
    );
  });

  it('gives each line with its length, so that a reader knows where it stands', () => {
    const splitter = new LogLineSplitter();
    const all = Buffer.concat([Buffer.from('no json é\n\n'), text]);
    const lines = [...splitter.lines(all.subarray(0, 5)), ...splitter.lines(all.subarray(5))];
    expect(lines.map((line) => line.text)).toEqual(['no json é', '', ...log.map((record) => JSON.stringify(record))]);
    expect(lines.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(all.length);
    expect(lines.map(({ record }) => record)).toEqual([undefined, undefined, ...log]);
  });

  it('keeps no memory of its sender, who may use it again', () => {
    const splitter = new LogLineSplitter();
    const chunk = Uint8Array.from(text.subarray(0, 20));
    splitter.push(chunk);
    chunk.fill(0);
    expect(splitter.push(text.subarray(20))).toEqual(log);
  });

  it('waits for the end of a line', () => {
    const splitter = new LogLineSplitter();
    expect(splitter.push(text.subarray(0, 20))).toEqual([]);
    expect(splitter.held).toBe(20);
    expect(splitter.push(text.subarray(20))).toEqual(log);
  });

  it('passes over blank lines, and counts what is no record or of an unknown kind', () => {
    const splitter = new LogLineSplitter();
    const lines = ['', '   ', 'no json', '{"k":"later","x":1}', '{"t":-1,"k":"note","level":"info","m":""}', '[]'];
    const more = Buffer.concat([Buffer.from(`${lines.join('\n')}\n`), text]);
    expect(splitter.push(more)).toEqual(log);
    expect(splitter.skipped).toBe(4);
  });

  it('does not keep a line that no record is as long as', () => {
    const splitter = new LogLineSplitter();
    const piece = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 20; i++) expect(splitter.push(piece)).toEqual([]);
    expect(splitter.push(Buffer.concat([Buffer.from('\n'), text]))).toEqual(log);
    expect(splitter.skipped).toBe(1);
  });
});
