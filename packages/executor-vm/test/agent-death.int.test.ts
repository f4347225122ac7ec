import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CollectedEntry } from '@ritmo/agent-core/executor';
import { environmentValue, listProcesses } from '@ritmo/host-linux';
import { expect, it } from 'vitest';
import { vmExecutor } from '../src/index.js';
import { hostIn, testOptions } from './support/bench.js';
import { crashingAgentFile, gathered, runCrashingAgent } from './support/crashing-agent.js';

it('an agent that is killed leaves no machine behind, of a job or waiting for one; the next one gives out what had left it, and sweeps the rest', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ritmo-death-'));
  chmodSync(stateDir, 0o711);
  const owner = `dying-${stateDir.slice(-6)}`;
  const script = `import * as agent from '${crashingAgentFile}'; await agent.${runCrashingAgent.name}(...process.argv.slice(1))`;
  const node = ['--conditions=@ritmo/source', '--import', 'tsx', '--input-type=module', '-e', script, stateDir, owner];
  const child = spawn(process.execPath, node, {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: join(import.meta.dirname, '../../..'),
  });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const prefix = `RITMO_VM=${owner}/`;
    const running = () => new Set(listProcesses().flatMap(({ pid }) => environmentValue(pid, prefix) ?? []));
    const waits = expect.stringMatching(/^warm-/);
    expect([...running()].toSorted()).toEqual(['left', waits]);
    child.kill('SIGKILL');
    while (running().size > 0) await sleep(20);
    expect(readdirSync(join(stateDir, 'sandboxes')).toSorted()).toEqual(['left', waits]);
  } finally {
    child.kill('SIGKILL');
    const executor = await vmExecutor(testOptions()).open(hostIn(stateDir, owner));
    const record = { sandboxId: 'left', executor: 'vm', stateVersion: 1, state: {} };
    const { signal } = new AbortController();
    const ended = await executor.reopen?.(record, signal);
    expect(await executor.sweep(new Set(['left']), signal)).toMatchObject({
      removed: [expect.stringMatching(/^warm-/)],
    });
    const found: CollectedEntry[] = [];
    for await (const entry of ended?.collect(gathered, signal) ?? []) found.push(entry);
    expect(found).toMatchObject([
      { kind: 'link', path: 'out/t', target: 'tool' },
      { kind: 'file', path: 'out/tool', size: 5 },
    ]);
    const { removed } = await executor.sweep(new Set(), new AbortController().signal);
    expect(removed).toEqual(['left']);
    expect(readdirSync(join(stateDir, 'sandboxes'))).toEqual([]);
    await executor[Symbol.asyncDispose]();
    rmSync(stateDir, { recursive: true, force: true });
  }
});
