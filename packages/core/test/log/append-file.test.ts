import { constants, openSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { AppendFile } from '../../src/log/append-file.js';
import { bytesLine } from '../../src/log/records.js';
import { folder } from './support.js';

async function openFiles(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  return Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => 'closed meanwhile')));
}

describe('a file that is appended to', () => {
  it('says that the disk is full, to who waits for room too, and takes nothing more', async () => {
    const file = new AppendFile(openSync('/dev/full', constants.O_RDWR), 0);
    file.append(bytesLine(Buffer.from('lost\n')));
    await file.changed();
    expect(file.failure).toMatchObject({ code: 'RITMO_DISK_FULL', retryable: true });
    await expect(file.room()).rejects.toMatchObject({ code: 'RITMO_DISK_FULL' });
    file.append(bytesLine(Buffer.from('more\n')));
    await file.settled();
    expect(file.written).toBe(0);
    await file.close();
  });

  it('lets those who wait for room know that there will be none', async () => {
    const file = new AppendFile(openSync('/dev/full', constants.O_RDWR), 0);
    for (let i = 0; i < 40; i++) file.append(bytesLine(Buffer.alloc(100_000)));
    await expect(file.room()).rejects.toMatchObject({ code: 'RITMO_DISK_FULL' });
    await file.close();
  });

  it('says that a file cannot be written where the disk is not what is wrong', async () => {
    const file = new AppendFile(openSync('/dev/null', constants.O_RDONLY), 0);
    file.append(bytesLine(Buffer.from('lost\n')));
    await file.settled();
    expect(file.failure).toMatchObject({ code: 'RITMO_STATE_UNREADABLE' });
    await file.close();
  });

  it('takes lines of any size in their order, those that are not appended apart', async () => {
    await using home = await folder();
    const file = new AppendFile(openSync(home.file('f'), 'wx+'), 0);
    const parts: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      const part = Buffer.alloc(1 + ((i * 104_729) % 700_000), i);
      expect(file.stage(bytesLine(Buffer.alloc(600_000, 0xee)))).toHaveLength(600_000);
      file.append(bytesLine(part));
      parts.push(part);
      await file.room();
    }
    await file.settled();
    expect(file.length).toBe(file.written);
    expect((await readFile(home.file('f'))).equals(Buffer.concat(parts))).toBe(true);
    expect((await file.read(5, 10)).equals(Buffer.concat(parts).subarray(5, 15))).toBe(true);
    await file.close();
    await file.close();
  });

  it('closes its descriptor', async () => {
    await using home = await folder();
    const file = new AppendFile(openSync(home.file('f'), 'wx+'), 0);
    file.append(bytesLine(Buffer.from('x')));
    expect(await openFiles()).toContain(home.file('f'));
    await file.close();
    expect(await openFiles()).not.toContain(home.file('f'));
    expect(await readFile(home.file('f'), 'utf8')).toBe('x');
  });
});
