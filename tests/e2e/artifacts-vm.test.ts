import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { S3Server } from '../../packages/artifacts-s3/test/support/s3-server.js';
import { testOptions } from '../../packages/executor-vm/test/support/bench.js';
import { readyWorker, stateFolder, startServer } from '../support/cluster.js';
import { namesIn, processesWithMarker } from '../support/witness.js';

it('a build in a machine goes on with its upload when its agent, and the machine with it, is killed', async () => {
  const s3 = await S3Server.start();
  onTestFinished(() => s3[Symbol.asyncDispose]());
  const server = await startServer();
  const stateDir = await stateFolder();
  const store = `s3://builds?endpoint=${s3.options.endpoint}&partSize=5242880`;
  const start = () =>
    readyWorker(server, {
      ...{ stateDir, isolation: 'vm', env: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' } },
      flags: [
        ...['--name', 'mortal', '--artifact-store', store],
        ...['--executor-options', `vm=${JSON.stringify(testOptions())}`],
      ],
    });
  const first = await start();
  const uploads = s3.holdParts(3);
  const id = await server.submit({
    name: 'build',
    steps: [{ run: 'head -c 20971520 /dev/zero > big; head -c 7 /dev/zero > small' }],
    artifacts: [
      { name: 'out', paths: ['big'] },
      { name: 'more', paths: ['small'] },
    ],
  });
  await uploads.held;
  const journal = join(stateDir, 'journal', `${id}.1.json`);
  await expect.poll(() => readFile(journal, 'utf8'), { timeout: 60_000 }).toMatch(/"parts":\{"1":\{"etag"/);
  first.kill('SIGKILL');
  await first.ended;
  uploads.letGo();
  const before = s3.seen.length;
  const second = await start();
  expect(await server.ended(id)).toMatchObject({ state: 'succeeded', attempts: [{}] });
  expect(s3.begun('big')).toBe(1);
  expect(await s3.unfinished()).toEqual([]);
  // Four parts; those that the journal has are not sent again.
  const again = s3.seen.slice(before).filter(({ query }) => query.has('partNumber'));
  expect(again.length).toBeLessThan(4);
  const stored = (artifact: string, name: string) =>
    readFile(join(s3.directory, 'builds', id, '1', artifact, `${name}._S3rver_object`));
  expect((await stored('out', 'big')).equals(Buffer.alloc(20 * 1024 ** 2))).toBe(true);
  expect((await stored('more', 'small')).length).toBe(7);
  second.kill('SIGTERM');
  expect((await second.ended).exitCode).toBe(0);
  expect(await namesIn(join(stateDir, 'journal'))).toEqual([]);
  expect(await namesIn(join(stateDir, 'executors', 'vm', 'sandboxes'))).toEqual([]);
  expect(await processesWithMarker(stateDir)).toEqual([]);
});
