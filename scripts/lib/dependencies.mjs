import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot } from './paths.mjs';
import { run } from './run.mjs';
import { say, SetupError } from './say.mjs';

const stampFile = inRoot('node_modules', '.ritmo-setup');

/** Installs what the lockfile names, unless it is there already. pnpm itself comes through npx. */
export async function installDependencies() {
  const manifests = manifestFiles();
  const stamp = fingerprint(manifests);
  if (isInstalled(manifests) && readText(stampFile) === stamp) return;
  const pnpm = pinnedPnpm();
  say(`installing dependencies with ${pnpm}`);
  const code = await run('npx', ['--yes', pnpm, 'install', '--frozen-lockfile', '--config.confirmModulesPurge=false'], {
    env: { ...process.env, npm_config_update_notifier: 'false' },
  });
  if (code !== 0) throw new SetupError(`${pnpm} install ended with ${code}; its own words stand above`);
  writeFileSync(stampFile, stamp);
}

function pinnedPnpm() {
  const { packageManager } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  return packageManager.split('+')[0];
}

/** package.json of the root, the packages, the examples and the documents. */
function manifestFiles() {
  const found = [inRoot('package.json'), inRoot('docs', 'package.json')];
  for (const group of ['packages', 'examples']) {
    if (!existsSync(inRoot(group))) continue;
    for (const name of readdirSync(inRoot(group)).toSorted()) {
      const file = inRoot(group, name, 'package.json');
      if (existsSync(file)) found.push(file);
    }
  }
  return found;
}

/** Changes with all that decides what `node_modules` holds. */
function fingerprint(manifests) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of [inRoot('pnpm-lock.yaml'), inRoot('pnpm-workspace.yaml'), ...manifests]) {
    hash.update(`${file}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function isInstalled(manifests) {
  return manifests.every((file) => {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
    const none = Object.keys({ ...dependencies, ...devDependencies }).length === 0;
    return none || existsSync(join(file, '..', 'node_modules'));
  });
}

function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
