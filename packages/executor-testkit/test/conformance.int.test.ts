import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { conformanceCases } from '../src/index.js';
import { describeExecutor } from '../src/vitest.js';
import { LimitedExecutor } from './reference/limited.js';
import { referenceSubject } from './reference/subject.js';

const root = mkdtempSync(join(tmpdir(), 'ritmo-reference-'));
afterAll(() => {
  // Fails where anything is left in it.
  rmdirSync(root);
});

describeExecutor(referenceSubject(root));
describeExecutor(
  referenceSubject(root, LimitedExecutor),
  conformanceCases.filter(({ group }) => group === 'limits' || group === 'refusal'),
);
