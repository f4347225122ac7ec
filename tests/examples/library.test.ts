import { expect, it } from 'vitest';
import { runExample } from './run.js';

it('two agents live in one process, print nothing, listen to no signal and let the process end', async () => {
  const { exitCode, signal, stdout, stderr } = await runExample('tests/examples/fixtures/two-agents.ts', []);
  expect(stderr).toBe('');
  const seen = JSON.parse(stdout) as Record<'printed' | 'outcomes' | 'before' | 'during' | 'after', unknown[]>;
  expect(seen.printed).toEqual(['one', 'two']);
  expect(seen.outcomes).toEqual(['cancelled', 'cancelled']);
  expect(seen.during).toEqual(seen.before);
  expect(seen.after).toEqual(seen.before);
  expect({ exitCode, signal }).toEqual({ exitCode: 0, signal: undefined });
});
