import { RitmoError } from '@ritmo/agent-core/executor';
import picomatch from 'picomatch';

type Test = (text: string) => boolean;

export interface GlobRequest {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Whether wildcards of `include` match a leading dot. */
  readonly dotfiles: boolean;
}

/** What a folder is to the patterns: all of it is meant, something in it may be, or nothing can be. */
export type FolderMatch = 'all' | 'some' | 'none';

/**
 * Globs over relative paths, with the semantics of picomatch and three rules on top: a folder stands for all that
 * it holds; `.git` of the root is matched only by a pattern that names it; exclusions match leading dots too.
 */
export class Globs {
  readonly #include: readonly Pattern[];
  readonly #exclude: readonly Pattern[];
  readonly #dotfiles: boolean;

  /** Throws RITMO_WORKSPACE_ESCAPE for a pattern that is absolute or climbs with `..`. */
  constructor(request: GlobRequest) {
    this.#include = request.include.map((text) => compile(text, request.dotfiles));
    this.#exclude = request.exclude.map((text) => compile(text, true));
    this.#dotfiles = request.dotfiles;
  }

  /** Whether the patterns mean the root itself, and so all that it holds. */
  root(): FolderMatch {
    return this.#include.some((pattern) => pattern.all) ? 'all' : 'some';
  }

  /** `parent` is what the folder around it is; paths are relative, '/'-separated. */
  folder(path: string, parent: FolderMatch): FolderMatch {
    if (this.#excluded(path)) return 'none';
    if (this.#matches(path, parent)) return 'all';
    return this.#candidates(path).some((pattern) => pattern.reachesBelow(path)) ? 'some' : 'none';
  }

  file(path: string, parent: FolderMatch): boolean {
    return this.#matches(path, parent) && !this.#excluded(path);
  }

  #matches(path: string, parent: FolderMatch): boolean {
    if (path !== '.git' && parent === 'all' && (this.#dotfiles || !basename(path).startsWith('.'))) return true;
    return this.#candidates(path).some((pattern) => pattern.matches(path));
  }

  #candidates(path: string): readonly Pattern[] {
    if (path !== '.git' && !path.startsWith('.git/')) return this.#include;
    return this.#include.filter((pattern) => pattern.namesGit);
  }

  #excluded(path: string): boolean {
    return this.#exclude.some((pattern) => pattern.matches(path));
  }
}

interface Pattern {
  readonly all: boolean;
  readonly namesGit: boolean;
  readonly matches: Test;
  /** Whether something below this folder can match. */
  readonly reachesBelow: Test;
}

function compile(text: string, dot: boolean): Pattern {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (text.startsWith('/') || parts.includes('..') || text.includes('\0')) {
    throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `The pattern "${text}" is absolute or leaves the workspace.`);
  }
  // Names may hold newlines, which `.` of a regular expression does not match by itself.
  const options = { dot, flags: 's', nonegate: true, windows: false };
  const whole = parts.join('/');
  const all = whole === '' || whole === '**';
  return {
    all,
    namesGit: parts[0] === '.git',
    matches: whole === '' ? () => true : picomatch(whole, options),
    reachesBelow: all ? () => true : reach(whole, parts, options),
  };
}

function reach(whole: string, parts: readonly string[], options: object): Test {
  if (/[{(][^})]*\//.test(whole)) {
    // A slash inside of braces: only the part before the first wildcard can be compared.
    const base = picomatch.scan(whole).base;
    return (path) => base === '' || isBelow(path, base) || isBelow(base, path);
  }
  const tests: Array<Test | undefined> = parts.map((part) =>
    part.includes('**') ? undefined : picomatch(part, options),
  );
  return (path) => {
    const names = path.split('/');
    for (const [index, name] of names.entries()) {
      if (index >= tests.length) return false;
      const test = tests[index];
      if (test === undefined) return true;
      if (!test(name)) return false;
    }
    return tests.length > names.length;
  };
}

const isBelow = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);

const basename = (path: string) => path.slice(path.lastIndexOf('/') + 1);
