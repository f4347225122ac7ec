import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import {
  environmentValue,
  findByEnvironment,
  type ProcessInfo,
  removeTree,
  signalProcess,
  unlessErrno,
} from '@ritmo/host-linux';
import { findMarked } from '../level/bare-tree.js';
import type { JobView, Level } from '../level/level.js';
import { isRoot } from './user.js';

const survivorMs = 10_000;
const sharedFolders = ['/tmp', '/var/tmp', '/dev/shm'];

type Stray = Pick<JobView, 'mark' | 'user'>;

/** Ends every process of a job that can still be found, and removes what a bare job left in folders of all users. */
export async function endStrays(job: Stray, level: Level['name'], clock: Clock): Promise<void> {
  const find = () => (level === 'bare' ? findMarked(job) : findByEnvironment(job.mark));
  const since = clock.monotonic();
  for (let left = find(); left.length > 0; left = find()) {
    for (const target of left) signalProcess(target, 'SIGKILL');
    if (clock.monotonic() - since > survivorMs) {
      throw new RitmoError('RITMO_CLEANUP_FAILED', `Process ${left[0]?.pid} of a job survives SIGKILL.`);
    }
    await clock.sleep(1);
  }
  if (level === 'bare' && isRoot() && job.user.uid > 0) await removeShared(job.user.uid);
}

async function removeShared(uid: number): Promise<void> {
  for (const folder of sharedFolders) {
    for (const name of unlessErrno(['ENOENT'], () => readdirSync(folder)) ?? []) {
      const path = join(folder, name);
      if (unlessErrno(['ENOENT'], () => lstatSync(path))?.uid === uid) await removeTree(path);
    }
  }
}

/** Ids of the sandboxes of which a process runs, by the prefix of their marks. */
export function markedSandboxes(processes: readonly ProcessInfo[], prefix: string): string[] {
  return processes.flatMap(({ pid }) => environmentValue(pid, prefix) ?? []);
}
