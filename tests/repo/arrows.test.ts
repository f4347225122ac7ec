import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSourceFile, type SourceFile } from '../support/source-file.js';
import { type Package, packages, shown, typescriptFiles } from '../support/workspace.js';

/** Which of our modules the sources of a package may import, with what lies below them; others may import none. */
function allowedImports(name: string): readonly string[] {
  if (name === '@ritmo/agent-cli') return all.map((each) => each.manifest.name).filter((other) => other !== name);
  if (name.startsWith('@ritmo/executor-') && name !== '@ritmo/executor-testkit')
    return ['@ritmo/agent-core/executor', '@ritmo/host-linux'];
  const arrows: Readonly<Record<string, readonly string[]>> = {
    '@ritmo/agent-core': ['@ritmo/protocol'],
    '@ritmo/api-server': ['@ritmo/protocol'],
    '@ritmo/artifacts-s3': ['@ritmo/agent-core'],
    '@ritmo/executor-testkit': ['@ritmo/agent-core/executor', '@ritmo/conformance'],
    '@ritmo/host-linux': ['@ritmo/agent-core/executor'],
    '@ritmo/transport-testkit': ['@ritmo/agent-core', '@ritmo/conformance', '@ritmo/protocol'],
  };
  return arrows[name] ?? [];
}

const all = packages();
const oneFilePerPackage = ['execa', 'undici', 'dockerode', 'commander', '@aws-sdk/client-s3'];
const longest = 400;

const sources = new Map<Package, readonly SourceFile[]>(
  all.map((each) => [each, typescriptFiles(join(each.folder, 'src')).map(readSourceFile)]),
);

/** Whether a specifier is a module of `target`, or of a subpath of it when `target` is a package. */
const isModuleOf = (specifier: string, target: string) => specifier === target || specifier.startsWith(`${target}/`);
const isOurs = (specifier: string) => specifier.startsWith('@ritmo/');
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

describe.each(all)('$manifest.name', (each) => {
  const { manifest } = each;
  const files = sources.get(each) ?? [];
  const allowed = allowedImports(manifest.name);

  it('imports only the packages of ours that the arrows allow', () => {
    const permits = (specifier: string) => allowed.some((target) => isModuleOf(specifier, target));
    const wrong = files.flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => isOurs(specifier) && !permits(specifier))
        .map((specifier) => `${shown(file)} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('declares as dependencies only the packages of ours that the arrows allow', () => {
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).filter(isOurs);
    expect(declared.filter((name) => !allowed.some((target) => isModuleOf(target, name)))).toEqual([]);
  });

  it('declares everything that it imports', () => {
    const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
    const wrong = files.flatMap(({ file, imports }) =>
      imports
        .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
        .map(packageOf)
        .filter((name) => !declared.has(name) && !isOptional(manifest.name, name))
        .map((name) => `${shown(file)} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it.each(oneFilePerPackage)('imports %s in one file at most', (name) => {
    const importers = files.filter(({ imports }) => imports.some((specifier) => isModuleOf(specifier, name)));
    expect(importers.map(({ file }) => shown(file)).slice(1)).toEqual([]);
  });

  it('has no top-level await, so that require() of it works', () => {
    const mayAwait = (file: string) => Object.keys(manifest.bin ?? {}).length > 0 && file.endsWith('/src/bin.ts');
    expect(
      files.filter(({ file, topLevelAwait }) => topLevelAwait && !mayAwait(file)).map(({ file }) => shown(file)),
    ).toEqual([]);
  });

  it('keeps no mutable state at the top of a module', () => {
    expect(files.filter(({ topLevelLets }) => topLevelLets > 0).map(({ file }) => shown(file))).toEqual([]);
  });

  it(`has no source file of more than ${longest} lines`, () => {
    expect(files.filter(({ lines }) => lines > longest).map(({ file, lines }) => `${shown(file)}: ${lines}`)).toEqual(
      [],
    );
  });
});

describe.each(all.filter(({ manifest }) => manifest.name !== '@ritmo/agent-cli'))(
  '$manifest.name, a library',
  (each) => {
    it('takes agent-core from the program that embeds it instead of bringing a copy', () => {
      expect(Object.keys(each.manifest.dependencies ?? {})).not.toContain('@ritmo/agent-core');
    });

    it('leaves the signals of the process to the program that embeds it', () => {
      const handler = /process\s*\.\s*(on|once|addListener|prependListener)\s*\(\s*['"`](SIG|uncaught|unhandled)/;
      const files = (sources.get(each) ?? []).filter(({ text }) => handler.test(text));
      expect(files.map(({ file }) => shown(file))).toEqual([]);
    });
  },
);

/** vitest is what a user of a test kit brings along when they import its `./vitest` entry. */
function isOptional(importer: string, name: string): boolean {
  return importer.endsWith('-testkit') && name === 'vitest';
}

it('lets nothing point at the CLI', () => {
  const names = all.filter(
    ({ manifest }) => '@ritmo/agent-cli' in { ...manifest.dependencies, ...manifest.peerDependencies },
  );
  expect(names.map(({ manifest }) => manifest.name)).toEqual([]);
});

it('reads a top-level await, a type import and an import() as what they are', () => {
  const found = readSourceFile(join(import.meta.dirname, 'fixtures', 'imports.ts'));
  expect(found.topLevelAwait).toBe(true);
  expect(found.topLevelLets).toBe(1);
  expect(found.imports.toSorted()).toEqual(['node:fs', 'node:os', 'node:path', 'node:url', 'node:util', 'node:zlib']);
});
