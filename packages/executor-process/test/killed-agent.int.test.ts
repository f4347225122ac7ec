import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses } from '@ritmo/host-linux';
import { expect, it } from 'vitest';
import { processExecutor } from '../src/index.js';
import { markedSandboxes } from '../src/job/strays.js';
import { hostIn } from './support/bench.js';
import { busyAgentFile, runBusyAgent } from './support/busy-agent.js';

const sandboxes = 16;

it.each([0, 8, 16, 24, 40, 80])(
  'nothing of a build outlives an agent that is killed %i ms after its steps began to start',
  { timeout: 120_000 },
  async (afterMs) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'ritmo-killed-'));
    chmodSync(stateDir, 0o711);
    const owner = `killed-${afterMs}`;
    const script = `import * as agent from '${busyAgentFile}'; await agent.${runBusyAgent.name}(...process.argv.slice(1))`;
    const node = ['--conditions=@ritmo/source', '--import', 'tsx', '--input-type=module', '-e', script];
    const child = spawn(process.execPath, [...node, stateDir, owner, String(sandboxes)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: join(import.meta.dirname, '../../..'),
    });
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      // The moment is what is tried here.
      await sleep(afterMs);
      child.kill('SIGKILL');
      await ended;
      const running = () => [...markedSandboxes(listProcesses(), `RITMO_SANDBOX=${owner}/`)];
      const patience = AbortSignal.timeout(20_000);
      while (running().length > 0 && !patience.aborted) await sleep(20);
      expect(running()).toEqual([]);
    } finally {
      child.kill('SIGKILL');
      await ended;
      const executor = await processExecutor({ level: 'sandbox' }).open(hostIn(stateDir, owner));
      await executor.sweep(new Set(), new AbortController().signal);
      await executor[Symbol.asyncDispose]();
      rmSync(stateDir, { recursive: true, force: true });
    }
  },
);
