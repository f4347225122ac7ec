import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** A process as the kernel shows it. */
export interface SeenProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * Every living process whose environment, command line or working directory holds `marker`: an independent
 * witness, for the question whether a build left something running. Our own process is not counted.
 */
export async function processesWithMarker(marker: string): Promise<readonly SeenProcess[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const seen = await Promise.all(pids.map((pid) => look(pid, marker)));
  return seen.filter((found) => found !== undefined);
}

async function look(pid: number, marker: string): Promise<SeenProcess | undefined> {
  const folder = join('/proc', String(pid));
  const [environment, command, directory, status] = await Promise.all([
    orNothing(readFile(join(folder, 'environ'), 'utf8')),
    orNothing(readFile(join(folder, 'cmdline'), 'utf8')),
    orNothing(readlink(join(folder, 'cwd'))),
    orNothing(readFile(join(folder, 'stat'), 'utf8')),
  ]);
  const isZombie = /^\d+ \(.*\) Z /s.test(status);
  if (isZombie || ![environment, command, directory].some((text) => text.includes(marker))) return undefined;
  return { pid, command: command.split('\0').join(' ').trim() };
}

/** A process may end while it is looked at; then there is nothing to see. */
async function orNothing(reading: Promise<string>): Promise<string> {
  try {
    return await reading;
  } catch {
    return '';
  }
}

/** What lies directly in a folder, by name and sorted; nothing where there is no such folder. */
export async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Mount points below a folder: a sandbox that was not taken down shows here. */
export async function mountsBelow(folder: string): Promise<readonly string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  return table
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
}
