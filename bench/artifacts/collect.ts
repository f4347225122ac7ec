import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { collectFiles } from '@ritmo/host-linux';
import { figure } from '../system/figures.js';

const folders = 100;
const filesEach = 1_000;

/** What it costs to find and open 100,000 small files of a workspace, as executors do; the best of three. */
export async function collecting(): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-bench-collect-'));
  try {
    for (let folder = 0; folder < folders; folder++) {
      const path = join(root, `package-${folder}`);
      await mkdir(path);
      for (let n = 0; n < filesEach; n++) await writeFile(join(path, `file-${n}.js`), 'x');
    }
    const request = { include: ['**'], exclude: ['**/*.map'], dotfiles: false, maxFiles: 1e6, maxBytes: 1e9 };
    const wall: number[] = [];
    const cpu: number[] = [];
    for (let time = 0; time < 3; time++) {
      const before = process.cpuUsage();
      const begin = performance.now();
      let found = 0;
      for await (const { kind } of collectFiles(root, request, new AbortController().signal))
        if (kind === 'file') found++;
      wall.push(performance.now() - begin);
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000);
      if (found !== folders * filesEach) throw new Error(`${found} files were found`);
    }
    const seconds = Math.min(...wall) / 1000;
    const own = `${(Math.min(...cpu) / 1000).toFixed(2)} s of processor time`;
    figure('collecting 100,000 files', `${seconds.toFixed(2)} s, ${own}`, '3 s', seconds < 3);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
