import { compileGlobs, type Glob } from '@ritmo/agent-core/executor';

export interface GlobRequest {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Whether wildcards of `include` match a leading dot. */
  readonly dotfiles: boolean;
}

/** What a folder is to the patterns: all of it is meant, something in it may be, or nothing can be. */
export type FolderMatch = 'all' | 'some' | 'none';

/**
 * Globs over relative paths, with three rules on top: a folder stands for all that it holds; `.git` of the root is
 * matched only by a pattern that names it; exclusions match leading dots too.
 */
export class Globs {
  readonly #include: readonly Glob[];
  readonly #namingGit: readonly Glob[];
  readonly #exclude: readonly Glob[];
  readonly #dotfiles: boolean;

  /** Throws as `compileGlobs` does. */
  constructor(request: GlobRequest) {
    this.#include = compileGlobs(request.include, { dot: request.dotfiles });
    this.#namingGit = this.#include.filter(({ parts }) => parts[0] === '.git');
    this.#exclude = compileGlobs(request.exclude, { dot: true });
    this.#dotfiles = request.dotfiles;
  }

  /** Whether the patterns mean the root itself, and so all that it holds. */
  root(): FolderMatch {
    const all = ({ parts }: Glob) => parts.length === 0 || (parts.length === 1 && parts[0] === '**');
    return this.#include.some(all) ? 'all' : 'some';
  }

  /** `parent` is what the folder around it is; paths are relative, '/'-separated. */
  folder(path: string, parent: FolderMatch): FolderMatch {
    const names = path.split('/');
    if (this.#exclude.some((glob) => glob.covers(names))) return 'none';
    const candidates = this.#candidates(names);
    if (this.#inherits(names, parent) || candidates.some((glob) => glob.covers(names))) return 'all';
    return candidates.some((glob) => glob.reachesBelow(names)) ? 'some' : 'none';
  }

  file(path: string, parent: FolderMatch): boolean {
    const names = path.split('/');
    if (!this.#inherits(names, parent) && !this.#candidates(names).some((glob) => glob.matches(names))) return false;
    return !this.#exclude.some((glob) => glob.matches(names));
  }

  /** Whether `.git` of the root is left out only because no pattern names it. */
  leavesOutGit(): boolean {
    const git = ['.git'];
    if (this.#namingGit.length > 0 || this.#exclude.some((glob) => glob.covers(git))) return false;
    return (this.#dotfiles && this.root() === 'all') || this.#include.some((glob) => glob.covers(git));
  }

  #inherits(names: readonly string[], parent: FolderMatch): boolean {
    if (parent !== 'all' || (names.length === 1 && names[0] === '.git')) return false;
    return this.#dotfiles || names.at(-1)?.startsWith('.') !== true;
  }

  #candidates(names: readonly string[]): readonly Glob[] {
    return names[0] === '.git' ? this.#namingGit : this.#include;
  }
}
