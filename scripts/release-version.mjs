import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { main, say, SetupError } from './lib/say.mjs';

const sizes = ['major', 'minor', 'patch'];

/** Takes up the changesets: changelogs, and one new version wherever it is written. */
await main(async () => {
  const before = versionOf('package.json');
  const next = bump(before, declaredSize());
  const code = await run('changeset', ['version']);
  if (code !== 0) return code;
  // Below 1 changesets takes every minor of a peer dependency for a major; our packages are peers of each other.
  const made = versionOf('packages', 'core', 'package.json');
  for (const name of readdirSync(inRoot('packages'))) {
    const folder = (...path) => inRoot('packages', name, ...path);
    replaceIn(folder('package.json'), `"version": "${made}"`, `"version": "${next}"`);
    replaceIn(folder('CHANGELOG.md'), made, next);
    for (const file of ['version.ts', 'plugin.ts']) replaceIn(folder('src', file), `'${before}'`, `'${next}'`);
  }
  replaceIn(inRoot('package.json'), `"version": "${before}"`, `"version": "${next}"`);
  say(`every package is ${next} now`);
  return 0;
});

function versionOf(...path) {
  return JSON.parse(readFileSync(inRoot(...path), 'utf8')).version;
}

/** The largest size that a changeset names. */
function declaredSize() {
  const files = readdirSync(inRoot('.changeset')).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const texts = files.map((name) => readFileSync(inRoot('.changeset', name), 'utf8'));
  const size = sizes.find((one) => texts.some((text) => new RegExp(`^['"]@ritmo/[^'"]+['"]: ${one}$`, 'm').test(text)));
  if (size === undefined) throw new SetupError('there is no changeset, so there is nothing to release');
  return size;
}

/** Below 1 the second number is the large one. */
function bump(version, size) {
  const [major, minor, patch] = version.split('.').map(Number);
  if (size === 'patch') return `${major}.${minor}.${patch + 1}`;
  return size === 'major' && major > 0 ? `${major + 1}.0.0` : `${major}.${minor + 1}.0`;
}

function replaceIn(file, from, to) {
  if (existsSync(file)) writeFileSync(file, readFileSync(file, 'utf8').replaceAll(from, to));
}
