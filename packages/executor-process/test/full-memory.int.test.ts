import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

it('a step for which there is no room in memory is an error of its own, and the next one runs', async () => {
  await using bench = await Workbench.open();
  await using sandbox = await bench.sandbox({ steps: 2 });
  const filling = join(bench.stateDir, 'memory', 'filling');
  expect(() => writeFileSync(filling, Buffer.alloc(512 * 1024 * 1024))).toThrow(/ENOSPC/);
  const failed = await sh(sandbox, 'true', [], { LONG: 'x'.repeat(100_000) }).then(
    ({ exit }) => exit,
    (error: unknown) => error,
  );
  expect(failed).toMatchObject({ code: 'RITMO_DISK_FULL' });
  rmSync(filling);
  expect((await sh(sandbox, 'echo here')).stdout).toBe('here\n');
});
