import type { FolderMatch, Globs } from '../files/globs.js';

/** More names than this are no shorter way. */
const mostAsked = 100;

/** The parts of a name in an archive that a build made; undefined for what can be no name below the workspace. */
export function partsOf(name: string): string[] | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || name.includes('\0') || parts.includes('..') || parts.length > 256) return undefined;
  return parts;
}

/** Whether the patterns mean a file of that path, looked at folder by folder. */
export function isMeant(globs: Globs, parts: readonly string[]): boolean {
  let match: FolderMatch = globs.root();
  for (let count = 1; count < parts.length; count++) {
    match = globs.folder(parts.slice(0, count).join('/'), match);
    if (match === 'none') return false;
  }
  return globs.file(parts.join('/'), match);
}

/**
 * Whether a link at that path stays below the workspace. `..` counts at the beginning of its target only: behind a name
 * it would lead from wherever that name is a link to.
 */
export function staysInside(parts: readonly string[], target: string): boolean {
  if (target.startsWith('/') || target === '') return false;
  const names = target.split('/').filter((part) => part !== '' && part !== '.');
  const up = names.findIndex((part) => part !== '..');
  const rest = up < 0 ? [] : names.slice(up);
  return !rest.includes('..') && names.length - rest.length <= parts.length - 1;
}

/**
 * What of the workspace is asked for: the folders and files of the first level that the patterns can mean;
 * '.' where that cannot be told.
 */
export function askedFor(include: readonly string[]): string[] {
  const first = new Set<string>();
  for (const pattern of include) {
    const [part = ''] = pattern.replace(/^(?:\.?\/)+/, '').split('/');
    if (part === '' || part === '..' || /[*?[\]{}()!+@|\\\n]/.test(part)) return ['.'];
    first.add(`./${part}`);
  }
  return first.size > mostAsked ? ['.'] : [...first];
}
