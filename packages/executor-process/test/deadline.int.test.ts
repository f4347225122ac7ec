import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findByEnvironment } from '@ritmo/host-linux';
import { expect, it } from 'vitest';
import { processExecutor } from '../src/index.js';
import { hostIn } from './support/bench.js';
import { crashingAgentFile, runCrashingAgent } from './support/crashing-agent.js';

const mark = 'RITMO_SANDBOX=frozen/left';

it('a sandbox ends at its deadline while its agent stands still', { timeout: 90_000 }, async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ritmo-deadline-'));
  chmodSync(stateDir, 0o711);
  const script = `import * as agent from '${crashingAgentFile}'; await agent.${runCrashingAgent.name}(...process.argv.slice(1))`;
  const child = spawn(
    process.execPath,
    [
      '--conditions=@ritmo/source',
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      script,
      stateDir,
      'sandbox',
      'frozen',
      '8000',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '../../..') },
  );
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGSTOP');
    const running = () => findByEnvironment(mark).filter(({ state }) => state !== 'Z');
    expect(running().length).toBeGreaterThan(0);
    while (running().length > 0) await sleep(100);
  } finally {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const executor = await processExecutor().open(hostIn(stateDir, 'frozen'));
    await executor.sweep(new Set(), new AbortController().signal);
    await executor[Symbol.asyncDispose]();
    rmSync(stateDir, { recursive: true, force: true });
  }
});
