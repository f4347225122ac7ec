import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEntries, typeProblems } from './checks.js';
import { install, packageManagers, runBin } from './consumer.js';
import { isAvailable, nodeFolder, nodeLines } from './nodes.js';
import { publishedPackages } from './registry.js';

/** `npm run install:matrix`: every package manager with every line of Node, a line for each. Ends with 1 where one fails. */
const folder = await mkdtemp(join(tmpdir(), 'ritmo-matrix-'));
try {
  await chmod(folder, 0o711);
  await using registry = await publishedPackages(folder);
  for (const line of nodeLines.filter(isAvailable)) {
    for (const manager of packageManagers) {
      // Node 20 asks no loader, and so not Plug'n'Play, for what an ES module imports that is required.
      const requires = manager !== 'yarn' || line !== '20';
      const problem = await problemOf(join(folder, `${manager}-${line}`), manager, line, requires, registry.url);
      const works = requires
        ? 'installs, imports, requires, runs'
        : 'installs, imports, runs; `require` is not to be had';
      process.stdout.write(`${manager.padEnd(4)} on Node ${line}: ${problem ?? works}\n`);
      if (problem !== undefined) process.exitCode = 1;
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function problemOf(
  place: string,
  manager: (typeof packageManagers)[number],
  line: (typeof nodeLines)[number],
  requires: boolean,
  url: string,
): Promise<string | undefined> {
  try {
    const consumer = await install(place, manager, await nodeFolder(line), url);
    await loadEntries(consumer, manager, requires);
    const types = manager === 'yarn' ? [] : await typeProblems(consumer, 'nodenext');
    await runBin(consumer, manager, 'ritmo-agent', '--version');
    return types.length === 0 ? undefined : types.join('; ');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
