import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What exists of an owner: folders, mounts and processes. Looks for itself; asks no executor. */
export async function residue(ownerId, stateDir) {
  const sandboxes = join(stateDir, 'sandboxes');
  const folders = existsSync(sandboxes) ? readdirSync(sandboxes).map((name) => `folder ${name}`) : [];
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/environ`).includes(`RITMO_ROOTFS=${ownerId}/`))
    .map((pid) => `process ${pid}`);
  const mounts = read('/proc/self/mounts')
    .split('\n')
    .filter((line) => folders.length === 0 && line.includes(`${sandboxes}/`));
  return [...folders, ...processes, ...mounts];
}

function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    // It ended while we looked.
    return '';
  }
}
