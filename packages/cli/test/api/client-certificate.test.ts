import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApiClient } from '../../src/api/client.js';

let cert: string;
let key: string;
let server: Server;

/** A server that demands a certificate of its clients, signed by itself, as everything here. */
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ritmo-cli-'));
  try {
    const [keyPath, certPath] = [join(folder, 'key'), join(folder, 'cert')];
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=localhost'];
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', ...ec, ...names, '-keyout', keyPath, '-out', certPath], { stdio: 'pipe' });
    [cert, key] = [readFileSync(certPath, 'utf8'), readFileSync(keyPath, 'utf8')];
  } finally {
    rmSync(folder, { recursive: true });
  }
  server = createServer({ cert, key, ca: cert, requestCert: true, rejectUnauthorized: true }, (_request, response) =>
    response.end(JSON.stringify({ jobs: [] })),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const clientWith = (tls: { cert?: string; key?: string }) => {
  const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return new ApiClient({ base, loopback: true, token: 'user-token', tls: { ca: cert, ...tls } });
};

test('a client with a certificate is answered', async () => {
  await using client = clientWith({ cert, key });
  expect(await client.jobs(AbortSignal.timeout(20_000))).toEqual([]);
});

test('one without is told which options may be missing, since the server only closes the connection', async () => {
  await using client = clientWith({});
  await expect(client.jobs(AbortSignal.timeout(20_000))).rejects.toMatchObject({
    code: 'RITMO_SERVER_UNREACHABLE',
    hint: expect.stringContaining('needs --cert-file and --key-file') as string,
  });
});
