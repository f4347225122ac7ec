import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { minutesLong } from '../support/longest-first.js';
import { root } from '../support/workspace.js';

test('each file that is to begin first is there', () => {
  expect(minutesLong.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
