import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { S3Server } from '../../packages/artifacts-s3/test/support/s3-server.js';
import { startServer } from '../support/cluster.js';
import { dockerLab, MortalWorker } from '../support/docker-worker.js';
import { namesIn } from '../support/witness.js';

it.each([
  ['succeeded', 'exit 0'],
  ['failed', 'exit 3'],
] as const)('a build in a container that %s goes on with its upload when its agent is killed', async (state, end) => {
  const lab = await dockerLab();
  const s3 = await S3Server.start();
  onTestFinished(() => s3[Symbol.asyncDispose]());
  const server = await startServer();
  const worker = await MortalWorker.start(
    server,
    lab,
    ['--artifact-store', `s3://builds?endpoint=${s3.options.endpoint}&partSize=5242880`],
    { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' },
  );
  const uploads = s3.holdParts(5);
  const id = await server.submit({
    name: 'build',
    image: { reference: lab.image, pull: ['never'] },
    steps: [{ run: `head -c 41943040 /dev/zero > big; ${end}` }],
    artifacts: [{ name: 'out', paths: ['big'], when: 'always' }],
  });
  await uploads.held;
  const journal = join(worker.stateDir, 'journal', `${id}.1.json`);
  await expect.poll(() => readFile(journal, 'utf8'), { timeout: 60_000 }).toMatch(/"parts":\{"1":\{"etag"/);
  worker.program.kill('SIGKILL');
  await worker.program.ended;
  uploads.letGo();
  const before = s3.seen.length;
  await worker.restart();
  expect(await server.ended(id)).toMatchObject({ state, attempts: [{}] });
  expect(s3.begun('big')).toBe(1);
  expect(await s3.unfinished()).toEqual([]);
  // Eight parts; what was finished in the last second before the kill may be sent again.
  const again = s3.seen.slice(before).filter(({ query }) => query.has('partNumber'));
  expect(again.length).toBeLessThan(8);
  const stored = await readFile(join(s3.directory, 'builds', id, '1', 'out', 'big._S3rver_object'));
  expect(stored.equals(Buffer.alloc(40 * 1024 ** 2))).toBe(true);
  expect(await worker.drain()).toBe(0);
  expect(await namesIn(join(worker.stateDir, 'journal'))).toEqual([]);
  expect(await worker.residue(lab)).toEqual([]);
});
