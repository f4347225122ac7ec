import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { findProgram } from '@ritmo/host-linux';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type SquashHost, squashTar } from '../../src/image/squash.js';
import { busyboxTar } from '../support/image.js';

const { signal } = new AbortController();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ritmo-squash-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function squash(archive: Readable): Promise<void> {
  const [bubblewrap = '', sqfstar = '', unsquashfs = ''] = ['bwrap', 'sqfstar', 'unsquashfs'].map((name) =>
    findProgram(name, `${process.env['PATH'] ?? ''}:/usr/bin`),
  );
  const host: SquashHost = { tools: { bubblewrap, sqfstar, unsquashfs }, user: undefined, mark: 'RITMO_TEST=squash' };
  return squashTar(host, archive, join(folder, 'image'), signal);
}

it('makes a root filesystem of an archive that is padded far behind its end', async () => {
  async function* padded() {
    yield* createReadStream(busyboxTar());
    for (let block = 0; block < 256; block++) yield Buffer.alloc(64 * 1024);
  }
  await squash(Readable.from(padded()));
  const listed = execFileSync('unsquashfs', ['-ls', join(folder, 'image')], { encoding: 'utf8' });
  expect(listed).toContain('squashfs-root/bin/sh');
});

it('makes none of an archive that breaks off', async () => {
  async function* broken() {
    for await (const chunk of createReadStream(busyboxTar(), { end: 4_095 })) yield chunk as Buffer;
    throw new Error('the connection was lost');
  }
  await expect(squash(Readable.from(broken()))).rejects.toMatchObject({ code: 'RITMO_IMAGE_UNUSABLE' });
});
