import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quote, stepFile } from '../../src/process/step-file.js';

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => !value.includes('\0'));

test('a shell reads back what was quoted, whatever it is', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (values) => {
      const script = `set -- ${values.map(quote).join(' ')}; printf '%s\\0' "$#" "$@"`;
      const output = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' });
      expect(output.split('\0').slice(0, -1)).toEqual([String(values.length), ...values]);
    }),
    { numRuns: 60 },
  );
});

test('refuses what no program can be given', () => {
  const command = { argv: ['true'], cwd: '/', env: {} } as const;
  for (const wrong of [
    { argv: ['a\0b'] as const },
    { argv: [''] as const },
    { env: { 'a b': '' } },
    { env: { 'A;reboot': '' } },
    { env: { A: 'x\0' } },
    { argv: ['x'.repeat(200_000)] as const },
    { env: { A: 'x'.repeat(200_000) } },
  ]) {
    expect(() => stepFile({ ...command, ...wrong })).toThrow(
      expect.objectContaining({ code: 'RITMO_STEP_NOT_STARTED' }),
    );
  }
});
