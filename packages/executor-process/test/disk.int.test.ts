import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceLimits } from '@ritmo/agent-core/executor';
import { listMounts } from '@ritmo/host-linux';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobDisk } from '../src/disk/job-disk.js';
import { jobFolders } from '../src/job/folders.js';
import { processExecutor } from '../src/index.js';
import { hostIn, scope, sh, Workbench } from './support/bench.js';

const mebibyte = 1024 * 1024;
const never = new AbortController().signal;

describe.runIf(process.getuid?.() === 0)('a disk limit', () => {
  let bench: Workbench;

  beforeAll(async () => {
    bench = await Workbench.open();
  });

  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it.each(['/workspace', '/tmp', '"$HOME"'])('bounds what a job writes to %s, and is named', async (folder) => {
    await using sandbox = await bench.sandbox({ limits: { diskBytes: 20 * mebibyte } });
    expect((await sh(sandbox, `head -c 8m /dev/zero > ${folder}/small`)).exit).toEqual({ status: 'exited', code: 0 });
    const { exit, stderr } = await sh(sandbox, `head -c 64m /dev/zero > ${folder}/big`);
    expect(exit).toMatchObject({ status: 'exited', limit: 'disk' });
    expect(stderr).toContain('No space left');
    await using free = await bench.sandbox();
    expect((await sh(free, `head -c 64m /dev/zero > ${folder}/big`)).exit).toEqual({ status: 'exited', code: 0 });
  });

  it('is kept in a state folder behind a link too, and nothing stays mounted there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ritmo-disk-'));
    try {
      chmodSync(folder, 0o711);
      mkdirSync(join(folder, 'real/process'), { recursive: true, mode: 0o711 });
      symlinkSync('real', join(folder, 'state'));
      const executor = await processExecutor().open(hostIn(join(folder, 'state/process'), 'linked'));
      try {
        const request = bench.request({ limits: { diskBytes: 20 * mebibyte } });
        await using sandbox = await executor.prepare(request, await executor.allocate(request, scope()), scope());
        expect((await sh(sandbox, 'head -c 64m /dev/zero > big')).exit).toMatchObject({ limit: 'disk' });
      } finally {
        await executor[Symbol.asyncDispose]();
      }
      expect(listMounts().filter(({ path }) => path.startsWith(folder))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('gives /tmp and /dev/shm sizes of their own', async () => {
    await using sandbox = await bench.sandbox({ limits: { tmpBytes: mebibyte, shmBytes: 2 * mebibyte } });
    const { stdout } = await sh(
      sandbox,
      'for f in /tmp /dev/shm /workspace; do head -c 4m /dev/zero > $f/file 2>/dev/null; wc -c < $f/file; done',
    );
    const [tmp, shm, workspace] = stdout.split('\n').map(Number);
    expect(tmp).toBe(mebibyte);
    expect(shm).toBe(2 * mebibyte);
    expect(workspace).toBe(4 * mebibyte);
    expect((await sh(sandbox, 'head -c 4m /dev/zero > /tmp/file')).exit).toMatchObject({ limit: 'disk' });
  });

  it('is a file system whose set-user-ID programs and devices mean nothing, and that goes with the job', async () => {
    const sandbox = await bench.sandbox({ limits: { diskBytes: 10_000 * mebibyte } });
    const options = listMounts().filter(({ path }) => path.startsWith(bench.stateDir) && path.endsWith('/disk'));
    expect(options).toMatchObject([{ type: 'ext4' }]);
    const { stdout } = await sh(sandbox, 'grep " /workspace " /proc/self/mounts; ls -a /workspace');
    expect(stdout).toMatch(/nosuid.*nodev|nodev.*nosuid/);
    expect(stdout).not.toContain('lost+found');
    await sandbox[Symbol.asyncDispose]();
    expect(listMounts().filter(({ path }) => path.endsWith('/disk') && path.startsWith(bench.stateDir))).toEqual([]);
  });

  it('is swept with all that it holds when its agent did not come back', async () => {
    await using lost = await Workbench.open();
    const disks = () => listMounts().filter(({ path }) => path.startsWith(lost.stateDir) && path.endsWith('/disk'));
    const { request } = await lost.volume({ limits: { diskBytes: 20 * mebibyte } });
    expect(disks()).toHaveLength(1);
    await using again = await processExecutor().open(hostIn(lost.stateDir, lost.host.ownerId));
    const { removed, failed } = await again.sweep(new Set(), never);
    expect({ removed, failed }).toEqual({ removed: [request.sandboxId], failed: [] });
    expect(disks()).toEqual([]);
  });
});

describe('what a job has written', () => {
  it('is told with its use', async () => {
    await using bench = await Workbench.open();
    await using sandbox = await bench.sandbox();
    await sh(sandbox, 'head -c 3m /dev/zero > one; ln one two; ln -s /usr link; head -c 1m /dev/zero > /tmp/three');
    const { diskBytes } = await sandbox.usage(never);
    expect(diskBytes).toBeGreaterThanOrEqual(4 * mebibyte);
    expect(diskBytes).toBeLessThan(5 * mebibyte);
  });
});

describe('where nothing can be mounted', () => {
  function watched(limits: ResourceLimits) {
    const root = mkdtempSync(join(tmpdir(), 'ritmo-watch-'));
    const folders = {
      ...jobFolders(root, root, 'job', false),
      workspace: root,
      home: join(root, 'h'),
      tmp: join(root, 't'),
    };
    const { clock } = hostIn(root, 'watch');
    return {
      root,
      disk: new JobDisk({
        kind: 'watch',
        folders,
        limits,
        clock: { ...clock, sleep: (_, signal) => sleep(5, undefined, { signal }) },
      }),
    };
  }

  it('a job that takes more than allowed is found by counting', async () => {
    const { root, disk } = watched({ diskBytes: mebibyte });
    try {
      const over = disk.exceeded(never);
      let found = false;
      void over.then(() => (found = true));
      writeFileSync(join(root, 'small'), Buffer.alloc(mebibyte / 2, 1));
      await sleep(30);
      expect(found).toBe(false);
      writeFileSync(join(root, 'big'), Buffer.alloc(mebibyte, 1));
      expect(statSync(join(root, 'big')).size).toBe(mebibyte);
      await over;
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('a step is ended by it, and says so', async () => {
    await using bench = await Workbench.open({ diskLimit: 'watch' });
    await using sandbox = await bench.sandbox({ limits: { diskBytes: mebibyte } });
    const { exit } = await sh(sandbox, 'head -c 8m /dev/zero > big; sleep 600');
    expect(exit).toEqual({ status: 'signalled', signal: 'SIGKILL', limit: 'disk' });
  });
});
