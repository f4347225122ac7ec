import { RitmoError } from '../../errors.js';
import { expandBraces } from './braces.js';
import { compileName, type NameTest } from './name-pattern.js';

const bounds = { maxTexts: 1_000, maxChars: 65_536 };

/** A pattern over relative paths, its braces expanded. Names of a path are what stands between its slashes. */
export interface Glob {
  /** Its parts as written, without empty ones and `.`. None: it means the root, and so everything. */
  readonly parts: readonly string[];
  /** Whether it means this path. `a/**` means a and what lies below; with wildcards before the `**`, only the latter. */
  matches(names: readonly string[]): boolean;
  /** Whether it means this folder, or all that lies below it, as `*\/**` does for each. */
  covers(folder: readonly string[]): boolean;
  /** Whether it can mean something below this folder. */
  reachesBelow(names: readonly string[]): boolean;
}

/**
 * Patterns of `*`, `?`, `[...]`, `{a,b}` and `**` (any number of folders); all else, parentheses too, stands for
 * itself. They come from people nobody trusts: no regular expression is made of them, and the time to match is
 * bounded by the product of the lengths. `dot`: wildcards match a leading dot.
 *
 * Throws RITMO_WORKSPACE_ESCAPE for one that is absolute or climbs with `..`, RITMO_ARTIFACT_LIMIT where braces stand
 * for more than 1,000 patterns.
 */
export function compileGlobs(texts: readonly string[], options: { readonly dot: boolean }): Glob[] {
  const globs = texts.flatMap((text) => {
    const expanded = expandBraces(text, bounds);
    if (expanded === undefined) throw tooMany(text);
    return expanded.map((one) => compile(one, text, options.dot));
  });
  if (globs.length > Math.max(bounds.maxTexts, texts.length)) throw tooMany(texts.join(' '));
  return globs;
}

function tooMany(text: string): RitmoError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new RitmoError('RITMO_ARTIFACT_LIMIT', `The braces of "${shown}" stand for too many patterns.`, {
    hint: `Braces may stand for ${bounds.maxTexts} patterns at most; use wildcards.`,
  });
}

const anyFolders = Symbol('any folders');
type Part = NameTest | typeof anyFolders;

function compile(text: string, whole: string, dot: boolean): Glob {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (text.startsWith('/') || parts.includes('..') || text.includes('\0')) {
    throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `The pattern "${whole}" is absolute or leaves the workspace.`);
  }
  const tests = parts.map((part): Part => (part === '**' ? anyFolders : compileName(part, dot)));
  const before = parts.findLast((part) => part !== '**');
  const namedFolder = before !== undefined && !/[*?[]/.test(before);
  return {
    parts,
    matches: (names) => parts.length === 0 || matches(tests, names, dot, namedFolder),
    covers: (names) => parts.length === 0 || matches(tests, names, dot, true),
    reachesBelow: (names) => parts.length === 0 || reachesBelow(tests, names),
  };
}

/** As for the characters of a name: after a mismatch, only the last `**` takes one more. */
function matches(tests: readonly Part[], names: readonly string[], dot: boolean, covers: boolean): boolean {
  let part = 0;
  let at = 0;
  let deep = -1;
  let deepAt = 0;
  while (at < names.length) {
    const test = tests[part];
    if (test === anyFolders) {
      deep = part;
      deepAt = at;
      part += 1;
    } else if (test?.(names[at] ?? '') === true) {
      part += 1;
      at += 1;
    } else {
      if (deep < 0 || (!dot && names[deepAt]?.startsWith('.') === true)) return false;
      deepAt += 1;
      at = deepAt;
      part = deep + 1;
    }
  }
  if (covers) while (tests[part] === anyFolders) part += 1;
  return part === tests.length;
}

function reachesBelow(tests: readonly Part[], names: readonly string[]): boolean {
  for (const [index, name] of names.entries()) {
    const test = tests[index];
    if (test === anyFolders) return true;
    if (test?.(name) !== true) return false;
  }
  return tests.length > names.length;
}
