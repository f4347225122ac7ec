import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findByEnvironment } from '@ritmo/host-linux';
import { expect, it } from 'vitest';
import { processExecutor } from '../src/index.js';
import { hostIn } from './support/bench.js';
import { crashingAgentFile, runCrashingAgent } from './support/crashing-agent.js';

const cases = [
  ['a sandbox ends at its deadline while its agent stands still', 'sandbox', 'frozen', 'SIGSTOP', 'detached'],
  ['a bare job ends at its deadline when its agent has died', 'bare', 'dead', 'SIGKILL', 'attached'],
] as const;

it.each(cases)('%s', { timeout: 90_000 }, async (_, level, owner, signal, detached) => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ritmo-deadline-'));
  chmodSync(stateDir, 0o711);
  const script = `import * as agent from '${crashingAgentFile}'; await agent.${runCrashingAgent.name}(...process.argv.slice(1))`;
  const node = ['--conditions=@ritmo/source', '--import', 'tsx', '--input-type=module', '-e', script];
  const child = spawn(process.execPath, [...node, stateDir, level, owner, '8000', detached], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: join(import.meta.dirname, '../../..'),
  });
  const ended = once(child, 'exit');
  try {
    await once(child.stdout, 'data');
    child.kill(signal);
    const running = () => findByEnvironment(`RITMO_SANDBOX=${owner}/left`).filter(({ state }) => state !== 'Z');
    expect(running().length).toBeGreaterThan(0);
    while (running().length > 0) await sleep(100);
  } finally {
    child.kill('SIGKILL');
    await ended;
    const executor = await processExecutor({ level }).open(hostIn(stateDir, owner));
    await executor.sweep(new Set(), new AbortController().signal);
    await executor[Symbol.asyncDispose]();
    rmSync(stateDir, { recursive: true, force: true });
  }
});
