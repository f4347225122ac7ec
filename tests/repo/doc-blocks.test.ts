import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { checkCommandLine } from '../../scripts/lib/check-command-line.js';
import { markdownFiles, readMarkdown } from '../support/markdown.js';
import { readManifest, root, shown } from '../support/workspace.js';

/** Every block of every page, with the example that it says to be from. */
const blocks = markdownFiles().flatMap((file) => {
  const lines = readFileSync(file, 'utf8').split('\n');
  return readMarkdown(file).blocks.map((block) => ({
    ...block,
    place: `${shown(file)}:${block.line}`,
    from: /^<!-- from (\S+) -->$/.exec(lines[block.line - 2] ?? '')?.[1],
  }));
});
const of = (...languages: readonly string[]) => blocks.filter(({ language }) => languages.includes(language));

it('gives every block a language that is checked somehow', () => {
  const known = ['sh', 'ts', 'js', 'json', 'yaml', 'text', 'mermaid'];
  expect(blocks.filter(({ language }) => !known.includes(language)).map(({ place }) => place)).toEqual([]);
});

describe('blocks from an example', () => {
  const quoted = blocks.flatMap((block) => (block.from === undefined ? [] : [{ ...block, from: block.from }]));

  it.each(quoted)('$place stands so in $from', ({ text, from }) => {
    expect(readFileSync(join(root, from), 'utf8')).toContain(text);
  });
});

it('has TypeScript and JavaScript that a test runs or compiles: a whole module, or a piece of an example', () => {
  const loose = of('ts', 'js').filter(({ text, from }) => from === undefined && !text.startsWith('import '));
  expect(loose.map(({ place }) => place)).toEqual([]);
});

it('has JSON that can be read', () => {
  for (const { place, text, from } of of('json')) {
    if (from !== undefined) continue;
    const whole = text.startsWith('"') ? `{${text}}` : text;
    expect(() => JSON.parse(whole) as unknown, place).not.toThrow();
  }
});

it('has YAML that can be read', () => {
  for (const { place, text } of of('yaml'))
    expect(
      parseAllDocuments(text).flatMap(({ errors }) => errors.map(String)),
      place,
    ).toEqual([]);
});

describe('commands in shell blocks', () => {
  /** Without comments; a quoted text may go over several lines. */
  const lines = of('sh').flatMap(({ place, text }) => {
    const pieces = text.replaceAll('\\\n', ' ').matchAll(/(?:'[^']*'|"[^"]*"|[^'"\n])+/g);
    return [...pieces].map(([piece]) => ({ place, line: piece.replace(/\s+#[^'"]*$/, '').trim() }));
  });
  const starting = (start: string) =>
    lines
      .filter(({ line }) => line.startsWith(start))
      .map((one) => ({ ...one, args: words(one.line.slice(start.length)) }));
  it.each(starting('ritmo-agent'))('$place: `$line` is one that the program takes', ({ args }) => {
    // What comes after the first command belongs to another, or says where its output goes.
    const end = args.findIndex((word) => ['&&', '|', '>', ';'].includes(word));
    checkCommandLine(end === -1 ? args : args.slice(0, end));
  });

  it('names scripts of package.json only', () => {
    const { scripts = {} } = readManifest(root);
    const named = [...starting('npm run '), ...starting('npx pnpm ')];
    const wrong = named.filter(({ args }) => scripts[args[0] ?? ''] === undefined && args[0] !== 'changeset');
    expect(wrong.map(({ place, line }) => `${place}: ${line}`)).toEqual([]);
  });
});

/** The words of a simple command, as a shell cuts them; quotes and `;`, `&&`, pipes at its end. */
function words(line: string): string[] {
  const found = line.match(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g) ?? [];
  return found.map((word) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
}
