import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Manifest, packages, readManifest, root } from '../support/workspace.js';

const condition = '@ritmo/source';
const workspace = readManifest(root);

/** The exports as they are published: without the line that leads to the sources. */
function published(exports: Manifest['exports']): Manifest['exports'] {
  return Object.fromEntries(
    Object.entries(exports ?? {}).map(([path, target]) => {
      if (typeof target === 'string') return [path, target];
      return [path, Object.fromEntries(Object.entries(target).filter(([name]) => name !== condition))];
    }),
  );
}

const entriesOf = (exports: Manifest['exports']) =>
  Object.entries(exports ?? {}).flatMap(([path, target]) => (typeof target === 'string' ? [] : [{ path, target }]));

describe.each(packages())('$manifest.name', ({ folder, manifest }) => {
  it('publishes the exports that it is developed with, without the source condition', () => {
    expect(manifest.publishConfig?.exports).toEqual(published(manifest.exports));
  });

  it('leads the source condition first, to a file that the same build entry makes', () => {
    for (const { path, target } of entriesOf(manifest.exports)) {
      expect(Object.keys(target), path).toEqual([condition, 'types', 'default']);
      const source = target[condition] ?? '';
      expect(existsSync(join(folder, source)), source).toBe(true);
      const built = source.replace('./src/', './dist/').replace(/\.ts$/, '');
      expect([target['types'], target['default']], path).toEqual([`${built}.d.ts`, `${built}.js`]);
      expect(readFileSync(join(folder, 'tsup.config.ts'), 'utf8')).toContain(`'${source.slice('./'.length)}'`);
    }
  });

  it('exports its package.json, and nothing by a pattern', () => {
    expect(manifest.exports?.['./package.json']).toBe('./package.json');
    expect(Object.keys(manifest.exports ?? {}).filter((path) => path.includes('*'))).toEqual([]);
  });

  it('says what it is, for whom and under which licence', () => {
    expect(manifest.license).toBe('MIT');
    expect(manifest.description).toMatch(/^[A-Z].{15,}[^.]$/);
    expect(manifest.engines).toEqual(workspace.engines);
    expect(manifest.version).toBe(workspace.version);
    expect(manifest.type).toBe('module');
    expect(manifest.sideEffects).toBe(false);
    expect(manifest.private).toBeUndefined();
    expect(manifest.publishConfig?.access).toBe('public');
    expect(manifest.files).toContain('dist');
  });

  it('is built and packed like every other', () => {
    expect(manifest.scripts).toMatchObject({
      build: 'tsup && tsc -p tsconfig.build.json',
      'pack:check': 'node ../../scripts/pack-check.mjs',
    });
  });

  it('has a README that begins with its name', () => {
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toMatch(new RegExp(`^# ${manifest.name}\n`));
  });

  it('names its dependencies by the catalog or the workspace', () => {
    const all = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.devDependencies };
    expect(Object.entries(all).filter(([, range]) => !/^(catalog:|workspace:[*^])$/.test(range))).toEqual([]);
  });
});

it('installs the pnpm that the repository names as its package manager', () => {
  const catalog = readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8');
  const pinned = /^ {2}pnpm: (\S+)$/m.exec(catalog)?.[1];
  expect(workspace.packageManager).toBe(`pnpm@${pinned}`);
});
