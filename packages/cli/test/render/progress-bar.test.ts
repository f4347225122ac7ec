import { describe, expect, test } from 'vitest';
import { ProgressBar } from '../../src/render/progress-bar.js';
import { memoryOutput } from '../support/output.js';

const erase = '\r\u001b[2K';
const mebibyte = 1024 ** 2;
const half = { foundFiles: 4, foundBytes: 200 * mebibyte, storedFiles: 1, sentBytes: 100 * mebibyte };

function bar(options: Parameters<typeof memoryOutput>[0] = {}) {
  const out = memoryOutput(options);
  const clock = { ms: 1000 };
  return { out, clock, bar: new ProgressBar(out, () => clock.ms) };
}

describe('the bar of a long storing of artifacts', () => {
  test('says how far it is in one line, and leaves nothing behind', () => {
    const { out, clock, bar: shown } = bar({ terminal: true, columns: 120 });
    shown.show(half);
    expect(out.text).toBe('');
    clock.ms += 2000;
    shown.show(half);
    const line = 'storing ████████████░░░░░░░░░░░░ 50 %  100.0 MiB of 200.0 MiB, 1 of 4 files, 50.0 MiB/s';
    expect(out.text).toBe(`${erase}${line}`);
    shown.show(half);
    expect(out.text).toBe(`${erase}${line}`);
    shown.clear();
    shown.clear();
    expect(out.text).toBe(`${erase}${line}${erase}`);
  });

  test('is never longer than the terminal is wide, and never over 100 %', () => {
    const { out, clock, bar: shown } = bar({ terminal: true, columns: 45 });
    shown.show(half);
    clock.ms += 1000;
    shown.show({ ...half, sentBytes: 900 * mebibyte });
    expect(out.text).toContain('100 %');
    expect(out.text.slice(erase.length).length).toBe(44);
  });

  test('is not for files and pipes', () => {
    const { out, clock, bar: shown } = bar();
    shown.show(half);
    clock.ms += 5000;
    shown.show(half);
    shown.clear();
    expect(out.text).toBe('');
  });
});
