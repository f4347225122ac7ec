import { expect, test } from 'vitest';
import { storingBar } from '../../src/render/storing-bar.js';

const mebibyte = 1024 ** 2;
const half = { foundFiles: 4, foundBytes: 200 * mebibyte, storedFiles: 1, sentBytes: 100 * mebibyte };

test('the bar of a long storing of artifacts says how far it is and how fast', () => {
  const clock = { ms: 1000 };
  const bar = storingBar(() => clock.ms);
  expect(bar(half)).toBe('Storing ████████████░░░░░░░░░░░░ 50 %  100.0 MiB of 200.0 MiB, 1 of 4 files');
  clock.ms += 2000;
  expect(bar(half)).toMatch(/1 of 4 files, 50\.0 MiB\/s$/);
});

test('it is full when all was sent, and not before', () => {
  const sent = { ...half, sentBytes: 199 * mebibyte };
  expect(storingBar()(sent)).toMatch(/^Storing █{23}░ 99 % /);
});

test('it is never over 100 %, and knows of nothing to store', () => {
  const bar = storingBar();
  expect(bar({ ...half, sentBytes: 900 * mebibyte })).toMatch(/^Storing █{24} 100 % /);
  expect(bar({ foundFiles: 0, foundBytes: 0, storedFiles: 0, sentBytes: 0 })).toMatch(/^Storing ░{24} 0 % /);
});
