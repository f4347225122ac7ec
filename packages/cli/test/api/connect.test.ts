import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTls } from '../../src/api/connect.js';
import { connectionKeys } from '../../src/options/groups.js';
import { type Flags, resolveSettings } from '../../src/options/resolve.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = async (flags: Flags) => readTls(await resolveSettings(connectionKeys, flags, {}));
async function pem(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}
const certificate = '-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n';
const key = '-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n';

describe('files for TLS', () => {
  test('are read as they are', async () => {
    const cert = await pem('cert.pem', `Subject: somebody\n${certificate}`);
    expect(await read({ caFile: [cert], certFile: [cert], keyFile: [await pem('key.pem', key)] })).toEqual({
      ca: `Subject: somebody\n${certificate}`,
      cert: `Subject: somebody\n${certificate}`,
      key,
    });
  });

  test('with something else in them are refused at once', async () => {
    const wrong = await pem('wrong.pem', key);
    await expect(read({ caFile: [wrong] })).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: `The PEM file ${wrong} holds no certificate.`,
      hint: 'It has to have a line -----BEGIN CERTIFICATE-----.',
    });
    const noKey = await pem('no-key.pem', certificate);
    await expect(read({ keyFile: [noKey] })).rejects.toThrow(`The PEM file ${noKey} holds no private key.`);
  });
});
