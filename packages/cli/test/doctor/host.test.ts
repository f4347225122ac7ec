import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { checkStateDir, checkSwap } from '../../src/doctor/host.js';

const head = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';

async function swaps(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-swaps-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'swaps'), text);
  return join(folder, 'swaps');
}

describe('what doctor says of the state directory', () => {
  test('is where it lies or can be made, and that a shared folder is none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-state-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    expect(await checkStateDir(folder)).toMatchObject({ state: 'ok', detail: folder });
    await chmod(folder, 0o1777);
    expect(await checkStateDir(folder)).toMatchObject({
      state: 'missing',
      detail: `anybody may write to ${folder}`,
      remedy: expect.stringContaining('--state-dir'),
    });
    const below = join(folder, 'agent');
    expect(await checkStateDir(below)).toMatchObject({ state: 'ok', detail: `${below} can be made` });
  });
});

describe('what doctor says of swap', () => {
  test('is nothing bad where there is none, or only compressed memory', async () => {
    expect(await checkSwap(await swaps(head))).toMatchObject({ state: 'ok' });
    const zram = await swaps(`${head}/dev/zram0   partition\t8388604\t0\t100\n`);
    expect(await checkSwap(zram)).toMatchObject({ state: 'ok' });
  });

  test('warns of a disk that memory may reach, and how to mend it', async () => {
    const disk = await swaps(`${head}/dev/sda2   partition\t8388604\t0\t-2\n/swapfile   file\t1024\t0\t-3\n`);
    expect(await checkSwap(disk)).toMatchObject({
      state: 'warning',
      detail: expect.stringContaining('/dev/sda2, /swapfile'),
      remedy: expect.stringContaining('swapoff'),
    });
  });

  test('is left out where the system does not say', async () => {
    expect(await checkSwap('/nonexistent/swaps')).toBeUndefined();
  });
});
