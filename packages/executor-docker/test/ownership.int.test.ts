import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { busyboxImage, makeBusyboxImage } from './support/images.js';

const agent = { uid: 4321, gid: 4321 };

beforeAll(() => makeBusyboxImage());

it('an agent without root collects and deletes what a root container made, stops what does not heed, and counts its disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-unprivileged-'));
  const socket = (process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock').replace('unix://', '');
  try {
    await chmod(folder, 0o755);
    await chown(folder, agent.uid, agent.gid);
    const script = fileURLToPath(new URL('support/unprivileged.ts', import.meta.url));
    const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', script, busyboxImage, folder];
    const child = spawn(process.execPath, node, {
      uid: agent.uid,
      // The socket's group is how an operator lets an agent use the daemon.
      gid: (await stat(socket)).gid,
      env: { PATH: process.env['PATH'], DOCKER_HOST: `unix://${socket}`, HOME: folder, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed: Buffer[] = [];
    const failed: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => failed.push(chunk));
    await once(child, 'close');
    expect(Buffer.concat(failed).toString()).toBe('');
    expect(JSON.parse(Buffer.concat(printed).toString())).toEqual({
      networks: ['none'],
      limits: ['cpu', 'memory', 'pids', 'disk'],
      first: '0\nroot:root 600\n',
      stopped: { status: 'cancelled', reason: 'user', forced: true },
      filled: expect.objectContaining({ status: 'signalled', signal: 'SIGKILL', limit: 'disk' }),
      collected: ['closed', 'deep/file'],
    });
    const left = await readdir(join(folder, 'state', 'sandboxes'));
    expect(left).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
