import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Worker } from './support/host.js';

const run = promisify(execFile);
const docker = async (...args: string[]) => (await run('/usr/bin/docker', args, { maxBuffer: 2 ** 26 })).stdout;

let worker: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  worker = await Worker.open();
});
afterAll(() => worker[Symbol.asyncDispose]());

/** Files below a folder of one file system that hold a text. */
function holding(folder: string, text: string): string[] {
  const args = ['-xdev', '-type', 'f', '-newermt', '-5 minutes', '-exec', 'grep', '-lsF', text, '{}', '+'];
  return spawnSync('find', [folder, ...args], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean);
}

it('leaves a secret in neither inspect, events, history, image layers nor on a disk', async () => {
  const secret = `hush-${randomUUID()}`;
  const begin = Math.floor(Date.now() / 1000) - 1;
  const box = await worker.box();
  const body = (async function* () {
    yield Buffer.from(secret);
  })();
  const file = { kind: 'file', path: 'token', mode: 0o600, mtimeMs: 0, size: secret.length, body } as const;
  await box.sandbox.put([file], box.sandbox.privateDir, new AbortController().signal);
  const step = box.start(
    '[ "$(cat /run/ritmo/private/token)" = "$TOKEN" ] && echo same; read never < /dev/zero; sleep 600',
    {
      TOKEN: secret,
    },
    0,
  );
  await step.printed('same');

  const label = `label=dev.ritmo.owner=${worker.host.ownerId}`;
  const [id = ''] = (await docker('ps', '-q', '--filter', label)).split('\n');
  const dataRoot = (await docker('info', '--format', '{{.DockerRootDir}}')).trim();
  const now = Math.ceil(Date.now() / 1000) + 1;
  const look = async () => ({
    inspect: (await docker('inspect', id).catch(() => '')).includes(secret),
    events: (await docker('events', '--since', String(begin), '--until', String(now))).includes(secret),
    history: (await docker('history', '--no-trunc', busyboxImage)).includes(secret),
    layers: holding(dataRoot, secret),
    disk: holding(worker.host.stateDir, secret),
  });
  const nowhere = { inspect: false, events: false, history: false, layers: [], disk: [] };
  expect(await look()).toEqual(nowhere);
  step.abort({ reason: 'user', graceMs: 0 });
  await step.exit;
  await box[Symbol.asyncDispose]();
  expect(await look()).toEqual(nowhere);
});

it('finds a text that is on the disk, so that the test above means something', async () => {
  const text = `plain-${randomUUID()}`;
  await using box = await worker.box();
  await box.sh(`echo ${text} > /in-the-layer; echo ${text} > /workspace/in-the-workspace`);
  const dataRoot = (await docker('info', '--format', '{{.DockerRootDir}}')).trim();
  expect(holding(dataRoot, text).length).toBeGreaterThan(0);
  expect(holding(worker.host.stateDir, text).length).toBeGreaterThan(0);
});
