import { compileGlobs } from '@ritmo/agent-core/executor';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type FolderMatch, Globs } from '../../src/index.js';

const name = fc.constantFrom('a', 'b', 'ab', '.h', 'x.log', '.git');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const part = fc.constantFrom('a', 'b', '*', 'a*', '**', '.h', '.*', '*.log', '{a,b}', '?', '[ab]', '{a/b,ab}', '.git');
const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

/** What the walk would do, from the root down to the file. */
function walk(globs: Globs, file: string): boolean {
  const parts = file.split('/');
  let match: FolderMatch = globs.root();
  for (let depth = 1; depth < parts.length; depth++) {
    match = globs.folder(parts.slice(0, depth).join('/'), match);
    if (match === 'none') return false;
  }
  return globs.file(file, match);
}

it('finds by walking and pruning what each pattern says of the whole path', () => {
  fc.assert(
    fc.property(
      fc.array(pattern, { maxLength: 3 }),
      fc.array(pattern, { maxLength: 2 }),
      path,
      fc.boolean(),
      (include, exclude, file, dotfiles) => {
        const parts = file.split('/');
        const lead = parts.map((_, i) => parts.slice(0, i + 1).join('/'));
        const matches = (text: string, dot: boolean) => {
          const globs = compileGlobs([text], { dot });
          const test = (path: string) => globs.some((glob) => glob.matches(path.split('/')));
          // A folder that matches stands for all below it, but for what begins with a dot.
          return lead.some(
            (above, i) => test(above) && (dot || parts.slice(i + 1).every((rest) => !rest.startsWith('.'))),
          );
        };
        const named = include.filter((text) => parts[0] !== '.git' || text.split('/')[0] === '.git');
        const excluded = exclude.some((text) =>
          compileGlobs([text], { dot: true }).some((glob) => lead.some((above) => glob.matches(above.split('/')))),
        );
        const expected = named.some((text) => matches(text, dotfiles)) && !excluded;
        expect(walk(new Globs({ include, exclude, dotfiles }), file)).toBe(expected);
      },
    ),
    { numRuns: 3_000 },
  );
});

it('does not enter folders in which nothing can match', () => {
  const globs = new Globs({ include: ['src/*/out', 'dist'], exclude: ['**/node_modules'], dotfiles: false });
  const enters = (folder: string) => globs.folder(folder, 'some');
  expect(['src', 'src/x', 'src/x/y', 'lib', 'dist', 'node_modules'].map(enters)).toEqual([
    'some',
    'some',
    'none',
    'none',
    'all',
    'none',
  ]);
});
