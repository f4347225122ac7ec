import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

const mebibyte = 1024 * 1024;
let bench: Workbench;

beforeAll(async () => {
  bench = await Workbench.open();
});

afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

/** Writes that many MiB into its own memory, and lives on. */
const hog = (mib: number) => `head -c ${mib * mebibyte} /dev/zero | tail -c ${mib * mebibyte} | wc -c`;

describe.runIf(process.getuid?.() === 0)('a limit', () => {
  it('is declared where control groups were tried', () => {
    expect(bench.executor.capabilities.limits).toEqual(expect.arrayContaining(['cpu', 'memory', 'pids']));
  });

  it('of memory ends what takes more, and is named', async () => {
    await using sandbox = await bench.sandbox({ limits: { memoryBytes: 64 * mebibyte } });
    expect((await sh(sandbox, hog(16))).exit).toEqual({ status: 'exited', code: 0 });
    const { exit } = await sh(sandbox, `head -c 300m /dev/zero | tail -c 300m > out; [ -s out ]`);
    expect(exit).toMatchObject({ limit: 'memory' });
    await using free = await bench.sandbox();
    expect((await sh(free, hog(200))).exit).toEqual({ status: 'exited', code: 0 });
  });

  it('of memory that nothing can start within is named too', async () => {
    await using sandbox = await bench.sandbox({ limits: { memoryBytes: 128 * 1024 } });
    expect((await sh(sandbox, 'true')).exit).toMatchObject({ limit: 'memory' });
  });

  it('of processes stops a fork bomb, is named, and leaves the next step its processes', async () => {
    await using sandbox = await bench.sandbox({ limits: { pids: 20 } });
    const many = 'i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i+1)); done; echo all';
    const { exit, stdout } = await sh(sandbox, many);
    expect(stdout).toBe('');
    expect(exit).toMatchObject({ status: 'exited', limit: 'pids' });
    expect((await sh(sandbox, 'for i in 1 2 3 4 5 6 7 8 9; do sleep 0.01 & done; wait; echo fine')).stdout).toBe(
      'fine\n',
    );
    await using free = await bench.sandbox();
    expect((await sh(free, many)).stdout).toBe('all\n');
  });

  it('of cores is kept: the kernel counts no more time than given', async () => {
    await using sandbox = await bench.sandbox({ limits: { cpus: 0.2 } });
    const start = performance.now();
    await sh(sandbox, 'timeout 2 sh -c "while :; do :; done"; true');
    const { cpuMs } = await sandbox.usage(new AbortController().signal);
    expect(cpuMs).toBeGreaterThan(100);
    expect(cpuMs).toBeLessThan((performance.now() - start) * 0.35);
  });

  it('leaves a step that exits well without a name of a limit', async () => {
    await using sandbox = await bench.sandbox({ limits: { pids: 5 } });
    const { exit } = await sh(sandbox, 'sh -c "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done" || true; exit 0');
    expect(exit).not.toHaveProperty('limit');
  });

  it('that nobody has asked for is not there, and the use is told all the same', async () => {
    await using sandbox = await bench.sandbox();
    await sh(sandbox, hog(100));
    const usage = await sandbox.usage(new AbortController().signal);
    expect(usage.cpuMs).toBeGreaterThan(0);
    expect(usage.memoryPeakBytes).toBeGreaterThan(100 * mebibyte);
  });

  it('is said in the first lines of the log, and that there is none, too', async () => {
    await using limited = await bench.sandbox({ limits: { pids: 50, memoryBytes: 64 * mebibyte } });
    expect(limited.description).toMatch(/; limited: memory, pids$/);
    await using free = await bench.sandbox();
    expect(free.description).toMatch(/; no limits asked for$/);
  });

  it('leaves no control group behind', async () => {
    // Unlike that of any other bench.
    const sandbox = await bench.sandbox({ sandboxId: randomUUID(), limits: { pids: 50 } });
    await sh(sandbox, 'sleep 600 & exit 3');
    await sandbox[Symbol.asyncDispose]();
    const { groups } = controlGroups(sandbox.id);
    expect(groups).toEqual([]);
  });
});

function controlGroups(name: string): { groups: string[] } {
  // Groups of others come and go meanwhile, which `find` passes over.
  const { stdout } = spawnSync('find', ['/sys/fs/cgroup', '-type', 'd', '-name', name], { encoding: 'utf8' });
  return { groups: stdout.split('\n').filter((path) => path.includes('/ritmo-')) };
}

describe('at the bare level a limit', () => {
  it('of disk, or of what the agent cannot hold there, is neither declared nor taken', async () => {
    await using bare = await Workbench.open({ level: 'bare' });
    // Who is the agent's user could leave its control group.
    expect(bare.executor.capabilities.limits).toEqual(process.getuid?.() === 0 ? ['cpu', 'memory', 'pids'] : []);
    const wanted = process.getuid?.() === 0 ? [] : [{ cpus: 1 }, { memoryBytes: mebibyte }, { pids: 9 }];
    for (const limits of [...wanted, { diskBytes: mebibyte }, { tmpBytes: mebibyte }]) {
      await expect(bare.volume({ limits })).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
    }
  });

  it.runIf(process.getuid?.() === 0)(
    'of memory and processes holds, and who leaves the process group too',
    async () => {
      await using bare = await Workbench.open({ level: 'bare' });
      await using sandbox = await bare.sandbox({ limits: { memoryBytes: 64 * mebibyte, pids: 20 } });
      expect((await sh(sandbox, hog(16))).exit).toEqual({ status: 'exited', code: 0 });
      // A variable that would load a library of the job is not in the environment of what joins the group.
      const { stdout: joined } = await sh(sandbox, 'cat /proc/self/cgroup', [], { LD_PRELOAD: '/nowhere.so' });
      expect(joined).toContain(`/${sandbox.id}`);
      const greedy = `setsid sh -c 'head -c 300m /dev/zero | tail -c 300m > out'; [ -s out ]`;
      expect((await sh(sandbox, greedy)).exit).toMatchObject({ limit: 'memory' });
      const many = 'i=0; while [ $i -lt 100 ]; do setsid sleep 600 & i=$((i+1)); done; echo all';
      const { exit, stdout } = await sh(sandbox, many);
      expect(stdout).toBe('');
      expect(exit).toMatchObject({ limit: 'pids' });
      expect((await sandbox.usage(new AbortController().signal)).memoryPeakBytes).toBeGreaterThan(mebibyte);
    },
  );
});
