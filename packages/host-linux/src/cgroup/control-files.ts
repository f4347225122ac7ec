import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlessErrno } from '../errno.js';

const gone = ['ENOENT', 'ENODEV', 'EOPNOTSUPP'];

/** The text of a control file, or undefined where the kernel or the group has none. */
export function readControl(folder: string | undefined, file: string): string | undefined {
  if (folder === undefined) return undefined;
  return unlessErrno(gone, () => readFileSync(join(folder, file), 'latin1').trim());
}

/** A control file that holds one number. */
export function readNumber(folder: string | undefined, file: string): number | undefined {
  const text = readControl(folder, file);
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** The number that follows a name in a file of lines `name number`. */
export function readField(folder: string | undefined, file: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(readControl(folder, file) ?? '')?.[1];
  return value === undefined ? undefined : Number(value);
}

/** Throws the system's error. */
export function writeControl(folder: string, file: string, value: string | number): void {
  writeFileSync(join(folder, file), String(value));
}

/** For knobs that not every kernel has, and groups that may be gone. */
export function tryWriteControl(folder: string, file: string, value: string | number): boolean {
  try {
    writeControl(folder, file, value);
    return true;
  } catch {
    return false;
  }
}

export function makeGroup(folder: string): void {
  mkdirSync(folder, { recursive: true });
}

/** False while something is in the group, or the kernel has not let it go yet. */
export function tryRemoveGroup(folder: string): boolean {
  return (
    unlessErrno(['EBUSY', 'ENOTEMPTY'], () => {
      unlessErrno(['ENOENT'], () => rmdirSync(folder));
      return true;
    }) === true
  );
}

export function readPids(folder: string): number[] {
  return (readControl(folder, 'cgroup.procs') ?? '').split('\n').filter(Boolean).map(Number);
}

/** Names of the groups in a group. */
export function subgroups(folder: string): string[] {
  const items = unlessErrno(['ENOENT'], () => readdirSync(folder, { withFileTypes: true })) ?? [];
  return items.filter((item) => item.isDirectory()).map(({ name }) => name);
}
