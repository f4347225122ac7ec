import { createReadStream } from 'node:fs';
import { readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { s3ServerBucket } from '@ritmo/artifacts-s3';
import { refuse, S3Server } from '../../packages/artifacts-s3/test/support/s3-server.js';
import { runAgent } from '../support/agent.js';
import { readyWorker, startServer, stateFolder } from '../support/cluster.js';
import { temporaryFolder } from '../support/temporary-folder.js';

async function startS3(): Promise<S3Server> {
  const s3 = await S3Server.start();
  onTestFinished(() => s3[Symbol.asyncDispose]());
  return s3;
}

/** 2 GiB were tried as well. */
const killedBytes = Number(process.env['RITMO_TEST_UPLOAD_BYTES'] ?? 40 * 1024 ** 2);

/**
 * Users of these workers alone: one of the usual range is free once its agent was killed, and while no process of its job
 * is left. The worker of another test may then take it, and the next agent must give up what the job has left.
 */
const ownUsers = ['--executor-options', 'process={"uidBase":90000}'];

const keys = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

describe('ritmo-agent artifacts', () => {
  it('lists what a job stored and fetches it with modes and links, and nothing whose bytes are others', async () => {
    const dataDir = await temporaryFolder();
    const server = await startServer({ dataDir });
    await readyWorker(server);
    const id = await server.submit({
      name: 'build',
      steps: [
        {
          run: 'mkdir -p out/bin; printf tool > out/bin/tool; chmod 755 out/bin/tool; ln -s bin/tool out/t; echo r > report',
        },
      ],
      artifacts: [
        { name: 'out', paths: ['out'] },
        { name: 'report', paths: ['report'] },
      ],
    });
    expect((await server.ended(id)).state).toBe('succeeded');
    const access = ['--api-server', server.url, '--token-file', server.userTokenFile];
    const list = await runAgent(['artifacts', id, ...access]);
    expect(list.stdout).toMatch(/out +4 ?B +[0-9a-f]{12} +out\/bin\/tool\n/);
    expect(list.stdout).toContain('out/t -> bin/tool');

    const dir = await temporaryFolder();
    const get = await runAgent(['artifacts', id, 'get', 'out', '--artifacts-dir', dir, ...access]);
    expect(get.exitCode, get.stderr).toBe(0);
    expect(await readFile(join(dir, id, 'out', 'out/bin/tool'), 'utf8')).toBe('tool');
    expect((await stat(join(dir, id, 'out', 'out/bin/tool'))).mode & 0o777).toBe(0o755);
    expect(await readlink(join(dir, id, 'out', 'out/t'))).toBe('bin/tool');
    expect(await readdir(join(dir, id))).toEqual(['out']);

    const wrong = await runAgent(['artifacts', id, 'get', 'coverage', '--artifacts-dir', dir, ...access]);
    expect(wrong.stderr).toMatch(/no artifact "coverage"[\s\S]*It has out, report\./);
    expect((await runAgent(['artifacts', id, 'fetch', ...access])).exitCode).toBe(2);

    const report = (await server.artifacts(id)).find(({ name }) => name === 'report')?.sha256 ?? '';
    await writeFile(join(dataDir, 'artifacts', 'blobs', report.slice(0, 2), report), 'R\n');
    const damaged = await runAgent(['artifacts', id, 'get', 'report', '--artifacts-dir', dir, ...access]);
    expect(damaged.exitCode).not.toBe(0);
    expect(damaged.stderr).toContain('RITMO_ARTIFACT_DAMAGED');
    expect(await readdir(join(dir, id, 'report'))).toEqual([]);
  });
});

describe('a worker with a bucket', () => {
  it('stores artifacts and caches of its jobs there', async () => {
    const s3 = await startS3();
    const server = await startServer();
    const bucket = `s3://builds/ci?endpoint=${s3.options.endpoint}`;
    await readyWorker(server, { flags: ['--artifact-store', bucket, '--cache-store', bucket], env: keys });
    const job = {
      name: 'build',
      caches: [{ key: 'deps-1', paths: ['deps'] }],
      steps: [{ run: 'cat deps/a || true; mkdir -p deps; echo cached > deps/a; echo built > result' }],
      artifacts: [{ name: 'out', paths: ['result'], required: true }],
    };
    const first = await server.submit(job);
    expect((await server.ended(first)).state).toBe('succeeded');
    const second = await server.submit(job);
    expect((await server.ended(second)).state).toBe('succeeded');
    expect(await server.output(second)).toContain('cached');
    expect((await server.notes(second)).join('\n')).toMatch(/Cache deps-1: restored/);
    const stored = s3.seen.filter(({ method }) => method === 'PUT').map(({ path }) => path);
    expect(stored).toEqual([
      `/builds/ci/${first}/1/out/result`,
      `/builds/ci/${first}/1/ritmo-artifacts.json`,
      '/builds/ci/caches/default/deps-1',
      `/builds/ci/${second}/1/out/result`,
      `/builds/ci/${second}/1/ritmo-artifacts.json`,
    ]);
  });

  it('says what is wrong with the bucket in the log and in the outcome of the job', async () => {
    const s3 = await startS3();
    const server = await startServer();
    await readyWorker(server, {
      flags: ['--artifact-store', `s3://builds?endpoint=${s3.options.endpoint}`],
      env: keys,
    });
    // Was there when the worker started.
    s3.faults.push(refuse(404, 'NoSuchBucket', 99));
    const id = await server.submit({
      name: 'build',
      steps: [{ run: 'echo built > result' }],
      artifacts: [{ name: 'out', paths: ['result'] }],
    });
    expect(await server.ended(id)).toMatchObject({
      state: 'errored',
      failure: {
        code: 'RITMO_ARTIFACT_UPLOAD',
        message: 'result could not be stored: The bucket builds is not there.',
        hint: 'Make the bucket, or correct its name.',
      },
    });
    expect((await server.notes(id)).join('\n')).toMatch(/The bucket builds is not there/);
  });

  it('that is killed while it uploads a file goes on where it was once it is back', async () => {
    const s3 = await startS3();
    const server = await startServer();
    const stateDir = await stateFolder();
    const bucket = `s3://builds?endpoint=${s3.options.endpoint}&partSize=5242880`;
    const flags = ['--artifact-store', bucket, ...ownUsers];
    const died = await readyWorker(server, { stateDir, flags, env: keys });
    const count = Math.ceil(killedBytes / 5_242_880);
    const uploads = s3.holdParts(count / 2 + 1);
    const id = await server.submit({
      name: 'build',
      steps: [{ run: `head -c ${killedBytes} /dev/zero > big` }],
      artifacts: [{ name: 'out', paths: ['big'] }],
    });
    await uploads.held;
    const journal = join(stateDir, 'journal', `${id}.1.json`);
    await expect.poll(() => readFile(journal, 'utf8'), { timeout: 60_000 }).toMatch(/"parts":\{"1":\{"etag"/);
    died.kill('SIGKILL');
    await died.ended;
    expect(await s3.unfinished()).toHaveLength(1);
    uploads.letGo();
    const before = s3.seen.length;
    const next = await readyWorker(server, { stateDir, flags, env: keys });
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded' });
    expect((await server.notes(id)).join('\n')).toMatch(/The agent died while artifacts were stored; the one after/);
    expect(await s3.unfinished()).toEqual([]);
    expect(s3.begun('big')).toBe(1);
    // What was finished in the last second before the kill may be sent again.
    const numbers = (seen: typeof s3.seen) =>
      seen.map(({ query }) => query.get('partNumber')).filter((n) => n !== null);
    const again = numbers(s3.seen.slice(before));
    expect(again.length).toBeLessThan(count);
    expect(new Set([...numbers(s3.seen.slice(0, before)), ...again]).size).toBe(count);
    if (killedBytes > 2 ** 30) process.stderr.write(`${again.length} of ${count} parts were sent after the kill\n`);
    expect(await zeroBytes(join(s3.directory, 'builds', id, '1', 'out', 'big._S3rver_object'))).toBe(killedBytes);
    // The sandbox goes after the report.
    next.kill('SIGTERM');
    await next.ended;
    expect(await readdir(join(stateDir, 'executors', 'process', 'sandboxes'))).toEqual([]);
  });
});

/** Bytes of a file that holds nothing but zeros. */
async function zeroBytes(path: string): Promise<number> {
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2 })) {
    expect((chunk as Buffer).equals(Buffer.alloc((chunk as Buffer).length))).toBe(true);
    bytes += (chunk as Buffer).length;
  }
  return bytes;
}

describe('a server with a bucket', () => {
  const hasPart = ({ query }: { readonly query: URLSearchParams }) => query.has('partNumber');

  it('signs URLs for its workers, which hold no credentials, and gives the files to people', async () => {
    const s3 = await startS3();
    const artifactBucket = s3ServerBucket({ ...s3.options, prefix: 'ci' });
    const server = await startServer({ artifactBucket });
    const worker = await readyWorker(server);
    s3.faults.push(refuse(503, 'SlowDown', 1, ({ query }) => query.get('partNumber') === '2'));
    const id = await server.submit({
      name: 'build',
      steps: [{ run: 'yes | head -c 73400320 > big; echo small > small; : > empty; ln -s small link' }],
      artifacts: [{ name: 'out', paths: ['big', 'small', 'empty', 'link'], required: true }],
    });
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded' });
    expect(await s3.unfinished()).toEqual([]);
    const puts = s3.seen.filter(({ method }) => method === 'PUT');
    expect(
      puts
        .filter(hasPart)
        .map(({ query }) => Number(query.get('partNumber')))
        .toSorted((a, b) => a - b),
    ).toEqual([1, 2, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(
      puts.every(
        ({ query, path, headers }) =>
          query.has('X-Amz-Signature') && path.startsWith(`/builds/ci/${id}/1/`) && !('authorization' in headers),
      ),
    ).toBe(true);
    expect(worker.stderr.text).not.toContain('X-Amz-Signature');

    const dir = await temporaryFolder();
    const access = ['--api-server', server.url, '--token-file', server.userTokenFile];
    const get = await runAgent(['artifacts', id, 'get', '--artifacts-dir', dir, ...access]);
    expect(get.exitCode, get.stderr).toBe(0);
    const big = await readFile(join(dir, id, 'out', 'big'));
    expect(big.equals(Buffer.alloc(73_400_320, 'y\n'))).toBe(true);
    expect(await readFile(join(dir, id, 'out', 'small'), 'utf8')).toBe('small\n');
    expect((await stat(join(dir, id, 'out', 'empty'))).size).toBe(0);
    expect(await readlink(join(dir, id, 'out', 'link'))).toBe('small');
  });

  it('is sent the rest of a file by a worker that was killed while it sent it', async () => {
    const s3 = await startS3();
    const server = await startServer({ artifactBucket: s3ServerBucket({ ...s3.options }) });
    const stateDir = await stateFolder();
    const died = await readyWorker(server, { stateDir, flags: ownUsers });
    const uploads = s3.holdParts(4);
    const id = await server.submit({
      name: 'build',
      steps: [{ run: 'head -c 83886080 /dev/zero > big' }],
      artifacts: [{ name: 'out', paths: ['big'] }],
    });
    await uploads.held;
    const journal = join(stateDir, 'journal', `${id}.1.json`);
    await expect.poll(() => readFile(journal, 'utf8'), { timeout: 60_000 }).toMatch(/"etags":\{"0":/);
    died.kill('SIGKILL');
    await died.ended;
    expect(await server.artifacts(id)).toEqual([]);
    uploads.letGo();
    const before = s3.seen.length;
    await readyWorker(server, { stateDir, flags: ownUsers });
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded' });
    expect(s3.count('POST', 'uploads')).toBe(1);
    expect(s3.seen.slice(before).filter(hasPart).length).toBeLessThan(10);
    expect(await server.artifacts(id)).toMatchObject([{ path: 'big', size: 83_886_080 }]);
  });

  it('says so where its bucket cannot be used, and lists nothing that is not there', async () => {
    const s3 = await startS3();
    const artifactBucket = s3ServerBucket({ ...s3.options, attempts: 1 });
    const server = await startServer({ artifactBucket });
    await readyWorker(server);
    s3.faults.push(refuse(403, 'AccessDenied', 99, ({ method }) => method === 'POST'));
    s3.faults.push(refuse(507, 'XMinioStorageFull', 99, ({ method }) => method === 'PUT'));
    const id = await server.submit({
      name: 'build',
      timeout: 60_000,
      steps: [{ run: 'echo small > small' }],
      artifacts: [{ name: 'out', paths: ['small'] }],
    });
    await s3.until(({ method }) => method === 'PUT');
    expect(await server.artifacts(id)).toEqual([]);
    s3.faults.splice(0);
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded' });
    expect(await server.artifacts(id)).toMatchObject([{ path: 'small' }]);
  });
});
