import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Agent, type AgentOptions } from '../../src/index.js';
import { MemoryServer } from './memory-server.js';
import { type ScriptedExecutor, scriptedExecutor } from './scripted-executor.js';

export interface AgentFixture {
  readonly agent: Agent;
  readonly server: MemoryServer;
  readonly executor: ScriptedExecutor;
  readonly stateDir: string;
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-core-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An agent between a server in memory and a scripted executor; stopped after the test. Not started. */
export async function agentFixture(
  options: Partial<AgentOptions> & { readonly server?: MemoryServer; readonly executor?: ScriptedExecutor } = {},
): Promise<AgentFixture> {
  const { server = new MemoryServer(), executor = scriptedExecutor(), ...rest } = options;
  const stateDir = rest.stateDir ?? (await temporaryFolder());
  const agent = new Agent({ transport: server, executors: [executor.binding], name: 'tester', stateDir, ...rest });
  onTestFinished(() => agent.stop());
  return { agent, server, executor, stateDir };
}
