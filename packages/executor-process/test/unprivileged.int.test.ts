import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const agent = { uid: 4321, gid: 4321 };
const kit = fileURLToPath(new URL('../../executor-testkit/src/bin.ts', import.meta.url));
const plugin = fileURLToPath(new URL('support/watched-plugin.ts', import.meta.url));

it.runIf(process.getuid?.() === 0)(
  'an agent without root passes the conformance kit, with a limit of disk',
  // All of the kit: a minute on a calm machine, three on a slow one.
  { timeout: 600_000 },
  async ({ signal }) => {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-unprivileged-'));
    try {
      await chown(folder, agent.uid, agent.gid);
      const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source'];
      const child = spawn(process.execPath, [...node, kit, plugin], {
        ...agent,
        signal,
        killSignal: 'SIGKILL',
        cwd: folder,
        env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const printed: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => printed.push(chunk));
      const [code] = (await once(child, 'close')) as [number | null];
      const report = Buffer.concat(printed).toString();
      expect(code, report).toBe(0);
      expect(report).toContain('process 0.1.0 conforms to contract 1');
      expect(report).toMatch(/^limits\.disk +pass /m);
      expect(report).toMatch(/^refusal\.limit-memory +refused correctly /m);
      expect((await readdir(folder)).filter((name) => !name.startsWith('tsx-'))).toEqual([]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
