import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { markdownFiles, readMarkdown } from '../support/markdown.js';
import { root, shown } from '../support/workspace.js';

const pages = new Map(markdownFiles().map((file) => [file, readMarkdown(file)]));

/** What is wrong with a link from one page, where it leads inside of the repository. */
function problemOf(from: string, target: string): string | undefined {
  if (/^(https?|mailto):/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? from : join(path.startsWith('/') ? root : dirname(from), decodeURIComponent(path));
  if (relative(root, file).startsWith('..')) return 'leads out of the repository';
  if (!existsSync(file)) return 'leads to nothing';
  if (anchor === undefined || anchor === '') return undefined;
  return pages.get(file)?.anchors.has(anchor) === false ? `there is no heading #${anchor}` : undefined;
}

it('has no link in a Markdown page that leads to nothing', () => {
  const wrong = [...pages].flatMap(([file, { links }]) =>
    links.flatMap(({ line, target }) => {
      const problem = problemOf(file, target);
      return problem === undefined ? [] : [`${shown(file)}:${line}: ${target}: ${problem}`];
    }),
  );
  expect(wrong).toEqual([]);
});

it('leads to every page below docs from another page', () => {
  const reached = new Set(
    [...pages].flatMap(([from, { links }]) =>
      links.map(({ target }) => join(dirname(from), target.split('#')[0] ?? '')).filter((file) => file !== from),
    ),
  );
  const docs = join(root, 'docs');
  const alone = [...pages.keys()].filter(
    (file) => file.startsWith(docs) && file !== join(docs, 'README.md') && !reached.has(file),
  );
  expect(alone.map(shown)).toEqual([]);
});

it('would see a link that leads to nothing', () => {
  const from = join(root, 'docs', 'README.md');
  expect(problemOf(from, 'there-is-no-such-page.md')).toBe('leads to nothing');
  expect(problemOf(from, 'reference/errors.md#ritmo_fenced')).toBeUndefined();
  expect(problemOf(from, 'reference/errors.md#ritmo_no_such')).toContain('no heading');
  expect(problemOf(from, '../../elsewhere.md')).toContain('out of the repository');
});
