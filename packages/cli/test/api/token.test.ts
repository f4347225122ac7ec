import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findToken } from '../../src/api/token.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
  await writeFile(join(folder, 'user.token'), 'rtu_0123456789\n', { mode: 0o600 });
  await writeFile(join(folder, 'other'), 'rto_0123456789', { mode: 0o600 });
  await writeFile(join(folder, 'bad'), 'two words\nand lines', { mode: 0o600 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the token', () => {
  test('comes from the data folder of a server on this machine', async () => {
    expect(await findToken({ tokenFile: undefined, dataDir: folder, role: 'user' })).toBe('rtu_0123456789');
  });

  test('comes from its file first', async () => {
    expect(await findToken({ tokenFile: join(folder, 'other'), dataDir: folder, role: 'user' })).toBe('rto_0123456789');
  });

  test.each([
    ['that nobody gave', {}, 'No user token was given for the API server.'],
    ['whose file is not there', { tokenFile: '/nowhere/t' }, 'The token file /nowhere/t is not there.'],
    ['whose file is a folder', { tokenFile: tmpdir() }, `The token file ${tmpdir()} is a folder.`],
  ])('%s is told as missing', async (_what, place, message) => {
    const missing = findToken({ tokenFile: undefined, dataDir: undefined, role: 'user', ...place });
    await expect(missing).rejects.toMatchObject({
      code: 'RITMO_UNAUTHORIZED',
      message,
      hint: expect.stringContaining('--token-file'),
    });
  });

  test('that is none is not sent', async () => {
    const bad = findToken({ tokenFile: join(folder, 'bad'), dataDir: undefined, role: 'user' });
    await expect(bad).rejects.toMatchObject({
      code: 'RITMO_UNAUTHORIZED',
      message: expect.stringContaining('does not hold a token'),
    });
  });
});
