import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
/** A certificate that has signed itself, and its key. */
async function pair(name: string): Promise<{ certificate: string; key: string }> {
  const [keyPath, path] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`];
  await promisify(execFile)('openssl', ['req', '-x509', ...ec, '-keyout', keyPath, '-out', path]);
  return { certificate: await readFile(path, 'utf8'), key: await readFile(keyPath, 'utf8') };
}

describe('files for TLS', () => {
  test('are read as they are', async () => {
    const { certificate, key } = await pair('one');
    const text = `Subject: somebody\n${certificate.replaceAll('\n', '\r\n')}`;
    const cert = await pem('cert.pem', text);
    const given = { caFile: [cert], certFile: [cert], keyFile: [await pem('key.pem', key)] };
    expect(await read(given)).toEqual({ ca: text, cert: text, key });
  });

  test('that are no pair of certificate and key are refused at once', async () => {
    const [one, other] = [await pair('one'), await pair('other')];
    const certFile = await pem('cert.pem', one.certificate);
    const keyFile = await pem('key.pem', other.key);
    await expect(read({ certFile: [certFile], keyFile: [keyFile] })).rejects.toMatchObject({
      code: 'RITMO_USAGE',
      message: `The key in ${keyFile} is not that of the certificate in ${certFile}.`,
    });
    await expect(read({ certFile: [certFile] })).rejects.toThrow('--cert-file was given without --key-file.');
    await expect(read({ keyFile: [keyFile] })).rejects.toThrow('--key-file was given without --cert-file.');
  });

  test('with something else in them are refused at once', async () => {
    const { certificate, key } = await pair('one');
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
