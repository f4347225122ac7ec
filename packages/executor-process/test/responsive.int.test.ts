import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { starterArgv } from '../src/confinement/starter.js';
import { outputScope, Workbench } from './support/bench.js';

const cores = availableParallelism();

it.runIf(process.getuid?.() === 0)('the agent keeps its part of a core while a build uses all of them', async () => {
  await using bench = await Workbench.open();
  await using sandbox = await bench.sandbox();
  const cancel = new AbortController();
  const { stepScope, seen } = outputScope({ signal: cancel.signal });
  const hogs = `i=0; while [ $i -lt ${cores * 8} ]; do sh -c 'while :; do :; done' & i=$((i+1)); done; echo busy; wait`;
  const run = sandbox.run({ id: 'hogs', argv: ['sh', '-c', hogs], env: {} }, stepScope);
  await seen('busy');
  const { signal } = new AbortController();
  const before = { build: (await sandbox.usage(signal)).cpuMs, agent: process.cpuUsage() };
  for (const until = performance.now() + 2_000; performance.now() < until; );
  const { user, system } = process.cpuUsage(before.agent);
  const perCore = ((await sandbox.usage(signal)).cpuMs - before.build) / cores;
  cancel.abort({ reason: 'user', graceMs: 0 });
  await run;
  // As one process among equals it would have an eighth.
  expect((user + system) / 1_000).toBeGreaterThan(perCore / 2);
});

it('a build is nicer than the agent where no control group weighs them', () => {
  const root = mkdtempSync(join(tmpdir(), 'ritmo-nice-'));
  try {
    const filter = join(root, 'filter');
    writeFileSync(filter, '');
    const run = (yielding: boolean) => {
      const [file = '', ...args] = starterArgv(0, filter, yielding, ['/usr/bin/nice']);
      return Number(spawnSync(file, args, { encoding: 'utf8' }).stdout);
    };
    expect(run(true)).toBe(run(false) + 5);
  } finally {
    rmSync(root, { recursive: true });
  }
});
