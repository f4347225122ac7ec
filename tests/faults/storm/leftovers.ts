import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mountsBelow, namesIn, processesWithMarker } from '../../support/witness.js';
import type { Lab } from './lab.js';

/**
 * What is left of builds once the agent has ended, as the kernel, the file system and the Docker daemon show it:
 * processes, mounts, loop devices, control groups, firewall tables, containers, networks, volumes and files.
 */
export async function leftovers(lab: Lab, marker: string): Promise<readonly string[]> {
  const owner = (await readFile(join(lab.stateDir, 'owner-id'), 'utf8')).trim();
  const left = (await processesWithMarker(marker)).map(
    ({ pid, command }) => `process ${pid}: ${command.slice(0, 120)}`,
  );
  left.push(
    ...(await mountsBelow(lab.folder)).filter((point) => point !== lab.stateDir).map((point) => `mount ${point}`),
  );
  for (const folder of ['journal', 'spool', 'staging'])
    left.push(...(await namesIn(join(lab.stateDir, folder))).map((name) => `${folder}/${name}`));
  left.push(...(await filesBelow(join(lab.stateDir, 'executors'))).map((path) => `executors/${path}`));
  left.push(...(await namesIn(lab.tmp)).filter((name) => !name.startsWith('tsx-')).map((name) => `tmp/${name}`));
  left.push(...(await cgroupsOf(owner)), ...firewallTablesOf(owner), ...loopDevicesBelow(lab.folder));
  left.push(...(lab.daemon?.holds(owner) ?? []));
  return left;
}

/** Files of builds; what an executor keeps of its own lies at its top. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((path) => path.split('/').length > 2);
}

async function cgroupsOf(owner: string): Promise<string[]> {
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isDirectory())) {
      const path = join(folder, entry.name);
      if (entry.name.includes(owner)) found.push(`cgroup ${path}`);
      else if (depth > 0) await walk(path, depth - 1);
    }
  };
  await walk('/sys/fs/cgroup', 3);
  return found;
}

function firewallTablesOf(owner: string): string[] {
  const mark = createHash('sha256').update(owner).digest('hex').slice(0, 6);
  return lines('nft', ['list', 'tables']).filter((line) => line.endsWith(`_${mark}`));
}

function loopDevicesBelow(folder: string): string[] {
  return lines('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'])
    .filter((line) => line.includes(folder))
    .map((line) => `loop device ${line}`);
}

function lines(program: string, args: readonly string[]): string[] {
  return execFileSync(program, args, { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '');
}
