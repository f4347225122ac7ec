import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@ritmo/agent-core';
import type { ProbeReport } from '@ritmo/agent-core/executor';
import { bindWithOptions, builtInIsolations, loadIsolation } from '../isolation/load.js';
import { asRitmoError } from '../show-error.js';
import type { Check } from './check.js';

/** Looking at what a host can do is bounded by this, in milliseconds. */
const probeMs = 30_000;

/** Looks at what each isolation can do here: ours, and those that were named. */
export async function checkExecutors(
  named: readonly string[],
  optionsOf: (pluginName: string) => unknown,
): Promise<Check[]> {
  const names = [...new Set([...builtInIsolations, ...named])];
  const checks: Check[] = [];
  for (const name of names) checks.push(await checkExecutor(name, named.includes(name), optionsOf));
  return checks;
}

async function checkExecutor(
  name: string,
  wanted: boolean,
  optionsOf: (pluginName: string) => unknown,
): Promise<Check> {
  const title = `isolation ${name}`;
  const stateDir = await mkdtemp(join(tmpdir(), 'ritmo-doctor-'));
  try {
    // Users of jobs walk through it.
    await chmod(stateDir, 0o711);
    const plugin = await loadIsolation(name);
    const binding = await bindWithOptions(plugin, optionsOf(plugin.name));
    await using executor = await binding.open({ ownerId: 'doctor', stateDir, log: silentLogger, clock: systemClock });
    return reported(title, await executor.probe(AbortSignal.timeout(probeMs)));
  } catch (error) {
    const { message, hint, code } = asRitmoError(error);
    // An isolation that nobody asked for and that is not installed is no fault of this machine.
    const state = code === 'RITMO_PLUGIN_INVALID' && !wanted ? 'warning' : 'missing';
    return { name: title, state, detail: message, ...(hint === '' ? {} : { remedy: hint }) };
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

function reported(name: string, { health, detail, facts }: ProbeReport): Check {
  const state = health === 'healthy' ? 'ok' : health === 'degraded' ? 'warning' : 'missing';
  return { name, state, detail, facts };
}
