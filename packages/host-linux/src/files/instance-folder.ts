import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { unmountBelow } from '../mounts/mount.js';
import { isRunning, readProcess } from '../process/table.js';
import { removeTree } from './remove-tree.js';

/** Makes a folder of an open executor's own below `shared`, and removes those of agents that have died. */
export async function openInstanceFolder(shared: string): Promise<string> {
  mkdirSync(shared, { recursive: true, mode: 0o711 });
  for (const name of readdirSync(shared)) {
    const [pid, startTime] = name.split('.').map(Number);
    if (!isAlive(pid ?? 0, startTime ?? 0)) await removeInstanceFolder(join(shared, name));
  }
  const startTime = readProcess(process.pid)?.startTime ?? 0;
  const folder = join(shared, `${process.pid}.${startTime}.${randomUUID()}`);
  mkdirSync(folder, { mode: 0o711 });
  chmodSync(folder, 0o711);
  return folder;
}

export async function removeInstanceFolder(folder: string): Promise<void> {
  await unmountBelow(folder);
  await removeTree(folder);
}

/** Where processes cannot be looked up (no /proc), a folder that another agent may use stays. */
function isAlive(pid: number, startTime: number): boolean {
  return startTime === 0 || isRunning({ pid, startTime });
}
