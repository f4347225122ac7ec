import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StateDir } from '../../src/journal/state-dir.js';
import { StateLock } from '../../src/journal/state-lock.js';
import { temporaryFolder } from '../support/agent-fixture.js';

describe('the lock of a state directory', () => {
  it('is held once, and free again after its release', async () => {
    const folder = await temporaryFolder();
    const lock = await StateLock.take(folder);
    await expect(StateLock.take(folder)).rejects.toMatchObject({ code: 'RITMO_STATE_LOCKED' });
    await lock.release();
    await (await StateLock.take(folder)).release();
  });

  it('is free at once when its holder is killed', async () => {
    const folder = await temporaryFolder();
    const holder = spawn('flock', ['-n', join(folder, 'lock'), 'sh', '-c', 'echo held; exec sleep 600'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    await once(holder.stdout, 'data');
    await expect(StateLock.take(folder)).rejects.toMatchObject({ code: 'RITMO_STATE_LOCKED' });
    process.kill(-(holder.pid as number), 'SIGKILL');
    await once(holder, 'close');
    await (await StateLock.take(folder)).release();
  });
});

describe('the state directory', () => {
  it('lets job users pass and list nothing', async () => {
    const folder = join(await temporaryFolder(), 'state');
    const state = await StateDir.open(folder);
    expect((await stat(folder)).mode & 0o777).toBe(0o711);
    expect((await stat(join(folder, 'journal'))).mode & 0o777).toBe(0o700);
    await state.close();
  });

  it('leaves the mode of a folder alone that holds the things of others', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'letter'), '');
    await chmod(folder, 0o750);
    for (let start = 0; start < 2; start++) {
      const state = await StateDir.open(folder);
      await state.close();
      expect((await stat(folder)).mode & 0o777).toBe(0o750);
      await rm(join(folder, 'lock'));
    }
  });

  it('is no folder that anybody may write to', async () => {
    const folder = await temporaryFolder();
    await chmod(folder, 0o1777);
    await expect(StateDir.open(folder)).rejects.toMatchObject({
      code: 'RITMO_STATE_UNREADABLE',
      message: expect.stringContaining('Anybody may write') as string,
    });
    expect(await readdir(folder)).toEqual([]);
    expect((await stat(folder)).mode & 0o7777).toBe(0o1777);
  });

  it.runIf(process.getuid?.() === 0)('may be a volume that a group of the agent may write to', async () => {
    const volume = await temporaryFolder();
    await chown(volume, 0, 4321);
    await chmod(volume, 0o2775);
    const open = `
      process.setgroups([4321]); process.setgid(4322); process.setuid(4322);
      const { StateDir } = await import(${JSON.stringify(new URL('../../src/journal/state-dir.ts', import.meta.url).href)});
      await (await StateDir.open(${JSON.stringify(volume)})).close();`;
    const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', '--input-type=module'];
    const child = spawn(process.execPath, [...node, '--eval', open], { stdio: ['ignore', 'inherit', 'inherit'] });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(await readdir(volume)).toContain('owner-id');
  });

  it('keeps its owner id, and its resume keys by server and name', async () => {
    const folder = await temporaryFolder();
    const first = await StateDir.open(folder);
    await first.keepResumeKey('http://a', 'worker', 'key-a');
    await first.keepResumeKey('http://b', 'worker', 'key-b');
    await first.close();
    expect((await stat(join(folder, 'resume-keys.json'))).mode & 0o777).toBe(0o600);
    const second = await StateDir.open(folder);
    expect(second.ownerId).toBe(first.ownerId);
    expect(await second.resumeKey('http://a', 'worker')).toBe('key-a');
    expect(await second.resumeKey('http://b', 'worker')).toBe('key-b');
    expect(await second.resumeKey('http://b', 'other')).toBeUndefined();
    await second.close();
  });

  it('says so where it cannot be used', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await chmod(file, 0o600);
    await expect(StateDir.open(file)).rejects.toMatchObject({ code: 'RITMO_STATE_UNREADABLE' });
  });
});
