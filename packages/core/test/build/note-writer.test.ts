import { expect, it } from 'vitest';
import { NoteWriter } from '../../src/build/note-writer.js';

it('says each line once, and of a progress line its last state', () => {
  const lines: string[] = [];
  const writer = new NoteWriter((line) => lines.push(line));
  writer.write('stderr', Buffer.from('Receiving: 10%\rReceiving: 55%\r'));
  writer.write('stderr', Buffer.from('Receiving: 100%, done.\nfrom é'.slice(0, -1)));
  writer.write('stdout', Buffer.from('other\n\n'));
  writer.end();
  expect(lines).toEqual(['Receiving: 100%, done.', 'other', 'from']);
});

it('puts characters together that were cut', () => {
  const lines: string[] = [];
  const writer = new NoteWriter((line) => lines.push(line));
  const bytes = Buffer.from('Zürich\n');
  writer.write('stdout', bytes.subarray(0, 2));
  writer.write('stdout', bytes.subarray(2));
  expect(lines).toEqual(['Zürich']);
});

it('bounds a line without end', () => {
  const lines: string[] = [];
  const writer = new NoteWriter((line) => lines.push(line));
  for (let count = 0; count < 100; count += 1) writer.write('stdout', Buffer.alloc(1000, 'x'));
  writer.end();
  expect(lines.join('').length).toBeLessThanOrEqual(2000);
});

it('keeps so much of a tool that never stops, and says once that there was more', () => {
  const lines: string[] = [];
  const writer = new NoteWriter((line) => lines.push(line));
  for (let count = 0; count < 3000; count += 1) writer.write('stderr', Buffer.from(`remote: ${'x'.repeat(1000)}\n`));
  expect(lines.join('').length).toBeLessThan(1_100_000);
  expect(lines.filter((line) => line.includes('left out'))).toEqual(['It said more, which is left out here.']);
});
