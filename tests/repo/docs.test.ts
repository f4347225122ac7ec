import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { epochHeader, formatProblems, logNextHeader, parseJobFile, protocolHeader } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { generatedPages } from '../../scripts/lib/generated-pages.js';
import { markdownFiles, readMarkdown } from '../support/markdown.js';
import { root, shown } from '../support/workspace.js';

const reference = (name: string) => readFileSync(join(root, 'docs', 'reference', name), 'utf8');
const openApi = JSON.parse(readFileSync(join(root, 'packages', 'protocol', 'openapi.json'), 'utf8')) as OpenApi;

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}

describe('generated pages', async () => {
  it.each(Object.entries(await generatedPages()))(
    'docs/reference/%s is what `pnpm docs:generate` makes',
    (name, text) => {
      expect(reference(name)).toBe(text);
    },
  );
});

describe('docs/reference/worker-api.md', () => {
  const calls = Object.entries(openApi.paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .filter((name) => /^(get|put|post|patch|delete|head)$/.test(name))
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const named = [...reference('worker-api.md').matchAll(/`((?:GET|PUT|POST|PATCH|DELETE|HEAD) \/[^`?]*)`/g)].map(
    (match) => match[1],
  );

  it('explains every call of the OpenAPI document', () => {
    expect(calls.filter((call) => !named.includes(call))).toEqual([]);
  });

  it('names the headers of the wire', () => {
    const page = reference('worker-api.md');
    expect([epochHeader, logNextHeader, protocolHeader].filter((name) => !page.includes(name))).toEqual([]);
  });

  it('explains no call that there is not', () => {
    expect(named.filter((call) => call === undefined || !calls.includes(call))).toEqual([]);
  });
});

describe('docs/reference/job-file.md', () => {
  it('names every key of the job schema', () => {
    const page = reference('job-file.md');
    const missing = [...keysOf(openApi.components.schemas['Job'])].filter((key) => !page.includes(`\`${key}\``));
    expect(missing).toEqual([]);
  });
});

describe('examples of job files in Markdown', () => {
  const examples = markdownFiles().flatMap((file) =>
    readMarkdown(file)
      .blocks.filter(({ language, text }) => language === 'yaml' && /^steps:/m.test(text))
      .map(({ text, line }) => ({ place: `${shown(file)}:${line}`, text })),
  );

  it('has some', () => expect(examples.length).toBeGreaterThan(3));

  it.each(examples)('reads the one at $place', ({ place, text }) => {
    const result = parseJobFile(text);
    expect(result.ok ? '' : formatProblems(result.problems, place)).toBe('');
  });
});

/** Every name below `properties` of a JSON schema, at any depth. */
function keysOf(schema: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof schema !== 'object' || schema === null) return found;
  for (const [name, value] of Object.entries(schema)) {
    if (name === 'properties') for (const key of Object.keys(value as object)) found.add(key);
    keysOf(value, found);
  }
  return found;
}
