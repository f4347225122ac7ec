import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EtcFolders } from '../../src/level/etc-folders.js';

describe('the /etc of sandboxes', () => {
  let root: string;
  let folders: EtcFolders;

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'ritmo-etc-'));
    folders = new EtcFolders(join(root, 'etc'));
  });

  afterAll(() => rmSync(root, { recursive: true }));

  it('holds nobody of the real host, and no key or account of it', () => {
    const names = readdirSync(folders.of('isolated'));
    expect(names).toEqual(expect.arrayContaining(['passwd', 'group', 'hosts', 'hostname', 'resolv.conf']));
    for (const name of ['shadow', 'sudoers', 'machine-id', 'fstab', 'cron.d']) expect(names).not.toContain(name);
    expect(readFileSync(join(folders.of('isolated'), 'passwd'), 'utf8')).toBe('');
    expect(readFileSync(join(folders.of('isolated'), 'hosts'), 'utf8')).toMatch(/^127\.0\.0\.1 localhost build\n/);
  });

  it('names a server only where there is a way to it', () => {
    expect(readFileSync(join(folders.of('isolated'), 'resolv.conf'), 'utf8')).toBe('nameserver 10.0.2.3\n');
    expect(existsSync(join(folders.of('none'), 'resolv.conf'))).toBe(false);
  });

  it('is made once for each network, and stays as long as the host does not change', () => {
    expect(folders.of('none')).toBe(folders.of('none'));
    expect(folders.of('none')).not.toBe(folders.of('isolated'));
    expect(readdirSync(join(root, 'etc'))).toHaveLength(2);
  });
});
