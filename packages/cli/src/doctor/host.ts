import { execFile } from 'node:child_process';
import { access, constants, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { parseAddress } from '@ritmo/agent-core';
import { readTls, type ConnectionSettings } from '../api/connect.js';
import { ApiClient } from '../api/client.js';
import { asRitmoError } from '../show-error.js';
import type { Check } from './check.js';

const run = promisify(execFile);
const lowestNode = [20, 19] as const;

/** The version of Node that this program runs on. */
export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const good = major > lowestNode[0] || (major === lowestNode[0] && minor >= lowestNode[1]);
  const detail = `Node ${version}`;
  if (good) return { name: 'node', state: 'ok', detail };
  return { name: 'node', state: 'missing', detail, remedy: `Install Node ${lowestNode.join('.')} or newer.` };
}

/** The git that checks sources out. */
export async function checkGit(): Promise<Check> {
  try {
    const { stdout } = await run('git', ['--version'], { timeout: 10_000 });
    return { name: 'git', state: 'ok', detail: stdout.trim() };
  } catch {
    return { name: 'git', state: 'missing', detail: 'git cannot be run', remedy: 'apt-get install git' };
  }
}

/** Whether memory that holds secrets can reach a disk; undefined where the system does not say. */
export async function checkSwap(swaps = '/proc/swaps'): Promise<Check | undefined> {
  const text = await readFile(swaps, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const areas = text.trim().split('\n').slice(1);
  const onDisk = areas.map((line) => line.split(/\s+/, 1)[0] ?? '').filter((area) => !/^\/dev\/zram\d+$/.test(area));
  if (onDisk.length === 0) return { name: 'swap', state: 'ok', detail: 'memory is written to no disk' };
  return {
    name: 'swap',
    state: 'warning',
    detail: `secrets in memory may be written to ${onDisk.join(', ')}: those of the agent itself, and what builds hide at run time`,
    remedy: 'Turn swap off (swapoff -a), or have it encrypted with a key that no restart survives.',
  };
}

/** Whether the state directory is there for this user, or can be made. */
export async function checkStateDir(path: string): Promise<Check> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined && folder !== dirname(folder)) continue;
    const usable =
      found?.isDirectory() === true &&
      (await access(folder, constants.W_OK | constants.X_OK).then(
        () => true,
        () => false,
      ));
    if (usable && folder === path && (found.mode & 0o002) !== 0) {
      return {
        name: 'state directory',
        state: 'missing',
        detail: `anybody may write to ${path}`,
        remedy: "Choose a folder of the agent's own with --state-dir, for example one below this.",
      };
    }
    if (usable) return { name: 'state directory', state: 'ok', detail: folder === path ? path : `${path} can be made` };
    return {
      name: 'state directory',
      state: 'missing',
      detail: `${folder} is no folder that this user may write to`,
      remedy: 'Choose another with --state-dir, or change its owner.',
    };
  }
}

/** Whether an API server answers; `exec` needs none. */
export async function checkServer(settings: ConnectionSettings): Promise<Check> {
  const name = 'API server';
  try {
    const address = parseAddress(settings.apiServer, settings.insecure);
    await using client = new ApiClient({ ...address, tls: await readTls(settings), token: '' });
    await client.health(AbortSignal.timeout(10_000));
    return { name, state: 'ok', detail: `${address.base} answers` };
  } catch (error) {
    const { message, hint } = asRitmoError(error);
    return { name, state: 'warning', detail: message, remedy: hint };
  }
}
