import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { describeExecutor } from '../src/vitest.js';
import { referenceSubject } from './reference/subject.js';

const root = mkdtempSync(join(tmpdir(), 'ritmo-reference-'));
afterAll(() => {
  const left = readdirSync(root);
  rmSync(root, { recursive: true });
  expect(left).toEqual([]);
});

describeExecutor(referenceSubject(root));
