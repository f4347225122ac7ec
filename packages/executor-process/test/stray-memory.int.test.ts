import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemoryFolder } from '@ritmo/host-linux';
import { expect, it, onTestFinished } from 'vitest';
import { judge } from '../src/health.js';
import { Workbench } from './support/bench.js';
import { whole } from './support/healthy.js';

/** A memory folder as an executor has it, mounted until the test ends. */
async function mounted(...beside: string[]): Promise<string> {
  const state = mkdtempSync(join(tmpdir(), 'ritmo-stray-'));
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  for (const path of beside) mkdirSync(join(state, path), { recursive: true });
  const memory = await openMemoryFolder({ path: join(state, 'memory'), maxBytes: 2 ** 20 });
  onTestFinished(() => memory[Symbol.asyncDispose]());
  return memory.path;
}

it.runIf(process.getuid?.() === 0)(
  'memory that a killed agent has left mounted is named by the next look, and that of one that runs is not',
  async () => {
    const path = await mounted('run/4194305.1.gone');
    await using bench = await Workbench.open();
    const { health, detail } = await bench.executor.probe(new AbortController().signal);
    expect(health).toBe('degraded');
    expect(detail).toContain(`An agent that was killed has left ${path} mounted`);
    expect(detail).toContain(`umount ${path}`);
    expect(detail).not.toContain(bench.stateDir);
  },
);

it('doctor wants nothing unmounted that containers use, with or without their agent', async () => {
  const path = await mounted('sandboxes');
  expect(judge(whole).detail).not.toContain(path);
});
