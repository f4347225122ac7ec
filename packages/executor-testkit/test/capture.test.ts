import { expect, test } from 'vitest';
import { Capture } from '../src/capture.js';

test('waits for a text that arrives in pieces', async () => {
  const capture = new Capture();
  const waiting = capture.printed('ready');
  capture.write('stdout', Buffer.from('not re'));
  capture.write('stderr', Buffer.from('noise'));
  capture.write('stdout', Buffer.from('ady yet'));
  await waiting;
  await capture.printed('ready');
});

test('stops waiting when the step ends without the text, and shows what it printed', async () => {
  const capture = new Capture();
  const waiting = capture.printed('ready');
  capture.write('stdout', Buffer.from('other'));
  capture.settle();
  await expect(waiting).rejects.toThrow('before it printed "ready"; it printed: "other"');
  await expect(capture.printed('later')).rejects.toThrow('before it printed "later"');
});

test('keeps a copy of the bytes, since an executor may use its buffer again', () => {
  const capture = new Capture();
  const buffer = Buffer.from('first');
  capture.write('stdout', buffer);
  buffer.fill('x');
  expect(capture.stdout).toBe('first');
});

test('counts writes after the step has settled, and keeps them out', () => {
  const capture = new Capture();
  capture.settle();
  capture.write('stdout', Buffer.from('late'));
  expect([capture.late, capture.stdout]).toEqual([1, '']);
});
