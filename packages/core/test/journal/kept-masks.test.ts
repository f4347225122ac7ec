import { appendFile, chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KeptMasks } from '../../src/journal/kept-masks.js';
import { temporaryFolder } from '../support/agent-fixture.js';

const lease = { jobId: 'job-1', epoch: 1 };

/** A folder in memory that is gone after the test. */
async function memory(): Promise<string> {
  const folder = await mkdtemp('/dev/shm/ritmo-test-');
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe.runIf(process.platform === 'linux')('masks that a build added', () => {
  it('are there for the next agent of the same installation, for their lease alone', async () => {
    const place = await memory();
    const before = KeptMasks.open('owner', [place]);
    before.keep(lease, 'first value');
    before.keep(lease, 'two\nlines');
    before.keep({ jobId: 'job-2', epoch: 1 }, 'of another');
    const next = KeptMasks.open('owner', [place]);
    expect(next.of(lease)).toEqual(['first value', 'two\nlines']);
    expect(next.of({ jobId: 'job-1', epoch: 2 })).toEqual([]);
    expect(KeptMasks.open('somebody', [place]).of(lease)).toEqual([]);
  });

  it('lie in a folder and files that only the agent reads, and are gone when they were forgotten', async () => {
    const place = await memory();
    const masks = KeptMasks.open('owner', [place]);
    masks.keep(lease, 'a value');
    const folder = masks.folder as string;
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    masks.forget(lease);
    expect(await readdir(place)).toEqual([]);
  });

  it('leave no folder where nothing is kept, and take away what agents that died have left empty', async () => {
    const place = await memory();
    for (const name of ['ritmo-masks-dead', 'ritmo-masks-held', 'of-others']) await mkdir(join(place, name));
    await appendFile(join(place, 'ritmo-masks-held', 'job-1.1'), '"kept"\n');
    const masks = KeptMasks.open('owner', [place]);
    expect(await readdir(place)).toEqual(['of-others', 'ritmo-masks-held']);
    masks.keep(lease, 'a value');
    KeptMasks.open('somebody', [place]);
    expect(masks.of(lease)).toEqual(['a value']);
    masks.forget(lease);
    masks.keep(lease, 'another');
    expect(masks.of(lease)).toEqual(['another']);
  });

  it('outlive a line that a crash tore', async () => {
    const masks = KeptMasks.open('owner', [await memory()]);
    masks.keep(lease, 'whole');
    await appendFile(join(masks.folder as string, 'job-1.1'), '"to');
    expect(masks.of(lease)).toEqual(['whole']);
  });

  it('are kept on no disk, and not in a folder that others could have put there', async () => {
    const open = await memory();
    await mkdir(join(open, 'ritmo-masks-owner'));
    await chmod(join(open, 'ritmo-masks-owner'), 0o777);
    for (const places of [['/proc'], [join(await temporaryFolder(), 'none')], [open]]) {
      const masks = KeptMasks.open('owner', places);
      expect(masks.folder).toBeUndefined();
      masks.keep(lease, 'a value');
      expect(masks.of(lease)).toEqual([]);
    }
  });
});
