import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** The absolute path of a program in a search path, this process's own by default; undefined when there is none. */
export function findProgram(name: string, path: string = process.env['PATH'] ?? ''): string | undefined {
  if (name.includes('/')) return isAbsolute(name) && isProgram(name) ? name : undefined;
  return path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
