import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { installDependencies } from './lib/dependencies.mjs';
import { inRoot } from './lib/paths.mjs';
import { main, SetupError } from './lib/say.mjs';
import { installSystemPackages } from './lib/system-packages.mjs';

/** Makes a machine with nothing but Node, npm and git ready for this repository. Quick when it is already. */
export async function setup() {
  checkNode();
  await installSystemPackages();
  await installDependencies();
}

function checkNode() {
  const { engines } = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  const least = engines.node.replace('>=', '');
  const [major, minor] = least.split('.').map(Number);
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  if (ourMajor < major || (ourMajor === major && ourMinor < minor)) {
    throw new SetupError(`Node ${least} or newer is needed, this is ${process.versions.node}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    await setup();
    return 0;
  });
}
