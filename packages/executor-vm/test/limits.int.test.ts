import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

const mebibyte = 1024 * 1024;
const never = new AbortController().signal;
let bench: Workbench;

describe('limits of a machine', () => {
  beforeAll(async () => {
    bench = await Workbench.open();
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it('a step that takes more memory than there is is ended, told why, and the next one runs', async () => {
    const box = await bench.sandbox({ limits: { memoryBytes: 96 * mebibyte } });
    const { exit } = await sh(box, 'dd if=/dev/zero of=/dev/null bs=150M count=1; exit 1');
    expect(exit).toMatchObject({ limit: 'memory' });
    expect((await sh(box, 'echo fine')).stdout).toBe('fine\n');
    await box[Symbol.asyncDispose]();
  });

  it('a fork bomb ends, and the limit is named', async () => {
    const box = await bench.sandbox({ limits: { pids: 40 } });
    const { exit } = await sh(box, 'i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i+1)); done');
    expect(exit).toMatchObject({ limit: 'pids' });
    expect((await sh(box, 'echo fine')).stdout).toBe('fine\n');
    await box[Symbol.asyncDispose]();
  });

  it('a full disk is full for its job alone, workspace and the rest together', async () => {
    const box = await bench.sandbox({ limits: { diskBytes: 64 * mebibyte } });
    const { exit, stderr } = await sh(
      box,
      'dd if=/dev/zero of=/var-file bs=1M count=40 && dd if=/dev/zero of=big bs=1M count=40',
    );
    expect(exit).toMatchObject({ status: 'exited', limit: 'disk' });
    expect(stderr).toContain('No space left');
    expect((await sh(box, 'rm big /var-file; echo fine > file; cat file')).stdout).toBe('fine\n');
    const usage = await box.usage(never);
    expect(usage.diskBytes).toBeGreaterThan(1 * mebibyte);
    expect(usage.diskBytes).toBeLessThan(66 * mebibyte);
    expect(usage.cpuMs).toBeGreaterThan(0);
    expect(usage.memoryPeakBytes).toBeGreaterThan(mebibyte);
    await box[Symbol.asyncDispose]();
  });

  it('a machine that is too small, or asks for what there is not, is refused before anything is made', async () => {
    for (const over of [
      { limits: { diskBytes: mebibyte } },
      { limits: { tmpBytes: 64 * mebibyte } },
      { network: 'host' as const },
    ]) {
      await expect(bench.sandbox(over)).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
    }
  });
});
