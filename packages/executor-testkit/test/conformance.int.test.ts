import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeExecutor } from '../src/vitest.js';
import { referenceSubject } from './reference/subject.js';

const root = mkdtempSync(join(tmpdir(), 'ritmo-reference-'));
afterAll(() => {
  // Fails where anything is left in it.
  rmdirSync(root);
});

describeExecutor(referenceSubject(root));
