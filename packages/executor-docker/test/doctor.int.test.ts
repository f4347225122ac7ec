import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RemoteDaemon, startRemoteDaemon } from './support/remote-daemon.js';

let folder: string;
let remote: RemoteDaemon;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-doctor-test-'));
  await chmod(folder, 0o755);
  makeCertificates(folder);
  remote = await startRemoteDaemon({ folder });
});
afterAll(async () => {
  await remote[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly remedy?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** What `ritmo-agent doctor` says of Docker, by an agent with this environment. */
async function doctor(env: Record<string, string>, user?: { readonly uid: number; readonly gid: number }) {
  const program = fileURLToPath(new URL('../../cli/src/bin.ts', import.meta.url));
  const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', program, 'doctor', '--json'];
  const child = spawn(process.execPath, [...node, '--isolation=docker', '--state-dir', join(folder, 'state')], {
    env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: tmpdir(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...user,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  const { checks } = JSON.parse(text) as { readonly checks: readonly Check[] };
  return checks.find(({ name }) => name === 'isolation docker');
}

const local = () => process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';

it('says of a daemon on this host what it is, and that the quick way works', async () => {
  const found = await doctor({ DOCKER_HOST: local() });
  expect(found?.state).not.toBe('missing');
  expect(found?.facts).toMatchObject({
    ...{ address: local(), engine: 'Docker', version: expect.stringMatching(/^\d+\./), rootless: false },
    ...{ storageDriver: expect.any(String), cgroupVersion: expect.stringMatching(/^[12]$/) },
    ...{ diskLimit: expect.stringMatching(/^(volume|watched)$/), way: 'fifo', fifoWay: true },
  });
});

it('says of a daemon elsewhere that jobs run the remote way, why, and what mends it', async () => {
  const found = await doctor({ DOCKER_HOST: remote.address, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder });
  expect(found?.state).toBe('warning');
  expect(found?.detail).toContain('share no file system');
  expect(found?.detail).toContain('DOCKER_HOST=unix:///var/run/docker.sock');
  expect(found?.facts).toMatchObject({ address: remote.address, way: 'remote', fifoWay: false, diskLimit: false });
});

it('says that a daemon wants TLS, and which variables it takes', async () => {
  const found = await doctor({ DOCKER_HOST: remote.address });
  expect(found?.state).toBe('missing');
  expect(found?.remedy).toContain('DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=');
  const elsewhere = await doctor({ DOCKER_HOST: remote.address, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: tmpdir() });
  expect(elsewhere?.detail).toContain('ca.pem cannot be read');
});

it('says where no daemon listens, and how to start one', async () => {
  const nobody = 'tcp://127.0.0.1:1';
  expect(await doctor({ DOCKER_HOST: nobody })).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining(`${nobody} (ECONNREFUSED)`),
    remedy: expect.stringContaining(`docker --host ${nobody} version`),
  });
  const socket = join(folder, 'dead.sock');
  // It is there, and nobody listens: what a daemon leaves that was killed.
  const leave = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', leave, socket]);
  expect(await doctor({ DOCKER_HOST: `unix://${socket}` })).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('ECONNREFUSED'),
    remedy: expect.stringContaining('systemctl start docker'),
  });
});

it('names the sockets that are not there, and how to install Docker', async () => {
  const found = await doctor({ DOCKER_HOST: `unix://${folder}/nowhere.sock` });
  expect(found).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining(`unix://${folder}/nowhere.sock (ENOENT)`),
    remedy: expect.stringContaining('apt-get install docker.io'),
  });
});

it('says that a user may not use the socket, and which group may', async () => {
  const socket = local().replace('unix://', '');
  expect((await stat(socket)).mode & 0o007).toBe(0);
  // Sources and packages must be there for that user too.
  const found = await doctor({ DOCKER_HOST: local() }, { uid: 4_321, gid: 4_321 });
  expect(found).toMatchObject({
    state: 'missing',
    detail: expect.stringContaining('EACCES'),
    remedy: expect.stringContaining('usermod -aG docker'),
  });
});

/** A certificate authority, and what daemon and agent have of it, by the names that Docker knows. */
function makeCertificates(into: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: into, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test ca');
  for (const [name, subject, usage] of [
    ['server-', '127.0.0.1', 'subjectAltName=IP:127.0.0.1,extendedKeyUsage=serverAuth'],
    ['', 'agent', 'extendedKeyUsage=clientAuth'],
  ] as const) {
    openssl('req', ...key, '-keyout', `${name}key.pem`, '-out', `${name}request.pem`, '-subj', `/CN=${subject}`);
    writeFileSync(join(into, `${name}extensions`), usage.replace(',', '\n').replaceAll('=IP', ' = IP'));
    openssl(
      ...['x509', '-req', '-in', `${name}request.pem`, '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'],
      ...['-out', `${name}cert.pem`, '-days', '2', '-extfile', `${name}extensions`],
    );
  }
}
