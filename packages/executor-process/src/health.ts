import { dirname, join } from 'node:path';
import { readdirSync } from 'node:fs';
import type { ExecutorCapabilities, ProbeReport } from '@ritmo/agent-core/executor';
import { isRunning, listMounts, type MemoryFolder, mountSource, unlessErrno } from '@ritmo/host-linux';
import { isRoot } from './job/user.js';

type Facts = ProbeReport['facts'];

export interface HealthSettings {
  readonly level: 'sandbox' | 'bare';
  /** One line of the level. */
  readonly description: string;
  readonly capabilities: ExecutorCapabilities;
  readonly memory: MemoryFolder;
  readonly facts: Facts;
}

/** What this host gives builds, and for each thing that it does not, what an operator can do. */
export function judge({ level, description, capabilities, memory, facts }: HealthSettings): ProbeReport {
  const stray = strayMounts();
  const all = { ...facts, ...(stray.length > 0 && { leftMounted: stray.join(', ') }) };
  const left = stray.map(
    (path) =>
      `An agent that was killed has left ${path} mounted: start it again, or \`umount ${path}\` before its state folder is removed.`,
  );
  if (level === 'bare') {
    const detail = [`${description}. Install bubblewrap and use the level sandbox for more.`, ...left].join(' ');
    return { health: 'degraded', detail, facts: all };
  }
  const missing = [...limitRemedies(capabilities), ...networkRemedies(facts), ...memoryRemedies(memory), ...left];
  const limits = capabilities.limits.join(', ');
  const sound = `bubblewrap ${String(facts['bubblewrap'])} was tried and confines; network ${capabilities.network.join(', ')}; limits of ${limits}.`;
  return { health: missing.length === 0 ? 'healthy' : 'degraded', detail: [sound, ...missing].join(' '), facts: all };
}

function limitRemedies({ limits }: ExecutorCapabilities): string[] {
  const missing = (['memory', 'cpu', 'pids'] as const).filter((name) => !limits.includes(name));
  if (missing.length === 0) return [];
  const remedy = isRoot()
    ? 'in a container, give it a writable /sys/fs/cgroup (`--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw`)'
    : 'under systemd, put `Delegate=yes` into the unit of the agent, or start it with `systemd-run --user --scope -p Delegate=yes`';
  return [`No limit of ${missing.join(', ')}: no control group can be written; ${remedy}.`];
}

function networkRemedies(facts: Facts): string[] {
  const why = facts['noIsolatedNetwork'];
  if (why === undefined) return [];
  const remedy = String(why).endsWith('missing')
    ? 'install them: `apt-get install slirp4netns iproute2`'
    : /tun/.test(String(why))
      ? 'open /dev/net/tun to the agent'
      : 'the message says what was tried';
  return [`No network \`isolated\` (${String(why).split('\n')[0]}): ${remedy}.`];
}

function memoryRemedies({ mayReachDisk, kind, path }: MemoryFolder): string[] {
  if (!mayReachDisk) return [];
  const where = kind === 'shm' ? 'memory that is swapped' : path;
  return [`Secrets of jobs may reach a disk: they lie in ${where}. Run as root, or turn swap off.`];
}

/** Memory folders of agents that run no more. */
function strayMounts(): string[] {
  return listMounts()
    .filter(({ path, source }) => source === mountSource && path.endsWith('/memory') && agentIsGone(dirname(path)))
    .map(({ path }) => path);
}

/**
 * Whether nobody has an executor open there: each has a folder below `run` that is named by its process. Containers
 * outlive their agent and need their secrets; their executor has no such folder, and nothing is said of it.
 */
function agentIsGone(stateDir: string): boolean {
  const names = unlessErrno(['ENOENT', 'EACCES', 'ENOTDIR'], () => readdirSync(join(stateDir, 'run')));
  if (names === undefined) return false;
  return !names.some((name) => {
    const [pid = 0, startTime = 0] = name.split('.').map(Number);
    return isRunning({ pid, startTime });
  });
}
