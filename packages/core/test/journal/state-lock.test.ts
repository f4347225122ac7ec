import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, stat, writeFile } from 'node:fs/promises';
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
