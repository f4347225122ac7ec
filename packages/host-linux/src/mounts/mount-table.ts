import { readFileSync, realpathSync } from 'node:fs';
import { unlessErrno } from '../errno.js';

export interface Mount {
  readonly path: string;
  /** File system type, such as `tmpfs`. */
  readonly type: string;
  /** What of the file system is shown: a path in it. */
  readonly root: string;
  /** A device, or the name that its mounter gave. */
  readonly source: string;
  /** Options of the file system itself, separated by commas. */
  readonly superOptions: string;
}

/** What is mounted, the oldest first; empty where the system does not say. */
export function listMounts(): Mount[] {
  let text: string;
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [root, path] = before?.split(' ').slice(3, 5) ?? [];
    const [type, source = '', superOptions = ''] = after?.split(' ') ?? [];
    if (path === undefined || root === undefined || type === undefined) return [];
    return [{ path: unescape(path), type, root: unescape(root), source, superOptions }];
  });
}

/** Mounts at this folder or below it, the newest first: the order in which they can be taken away. */
export function mountsBelow(folder: string): Mount[] {
  const top = mountPath(folder);
  return listMounts()
    .filter(({ path }) => path === top || path.startsWith(`${top}/`))
    .toReversed();
}

/** A path as mounts are listed, without links; as it is where nothing is there. */
export function mountPath(path: string): string {
  return unlessErrno(['ENOENT', 'ENOTDIR'], () => realpathSync(path)) ?? path;
}

/** Blanks, tabs, newlines and backslashes are written as three octal digits. */
function unescape(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
