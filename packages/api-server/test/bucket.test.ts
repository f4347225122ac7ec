import type { ArtifactEntry } from '@ritmo/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ArtifactBucket } from '../src/index.js';
import { type ErrorBody, Harness, sha256, TestClock, type TestBuild } from './support/harness.js';

/** A bucket in memory; what is PUT to it is put in by hand. */
class MemoryBucket implements ArtifactBucket {
  readonly objects = new Map<string, Uint8Array>();
  readonly uploads = new Set<string>();
  broken = false;
  #count = 0;

  async putTarget(key: string, contentType: string) {
    if (this.broken) throw new Error('the disk burns');
    return { url: `https://bucket/${key}?signed`, headers: { 'Content-Type': contentType } };
  }
  async begin() {
    const id = `upload-${++this.#count}`;
    this.uploads.add(id);
    return id;
  }
  async partTargets(key: string, uploadId: string, count: number) {
    return Array.from({ length: count }, (_, n) => ({ url: `https://bucket/${key}?${uploadId}&${n}`, headers: {} }));
  }
  async complete(key: string, uploadId: string, etags: readonly string[]) {
    if (this.uploads.delete(uploadId)) this.objects.set(key, new Uint8Array(bigSize).fill(etags.length));
  }
  async abort(_key: string, uploadId: string) {
    this.uploads.delete(uploadId);
  }
  async size(key: string) {
    return this.objects.get(key)?.length;
  }
  async read(key: string) {
    const bytes = this.objects.get(key);
    return (
      bytes &&
      (async function* () {
        yield bytes;
      })()
    );
  }
  async delete(key: string) {
    this.objects.delete(key);
  }
  async [Symbol.asyncDispose]() {}
}

const bigSize = 150 * 1024 ** 2;
const bytes = new TextEncoder().encode('report');
const facts = { name: 'report', mode: 0o644, contentType: 'text/html' };
const small = { ...facts, artifactId: 'artifact-1', path: 'report.html', size: 6 };
const big = { ...facts, artifactId: 'artifact-2', path: 'big', size: bigSize };

let api: Harness;
let bucket: MemoryBucket;
let build: TestBuild;
let clock: TestClock;

beforeEach(async () => {
  clock = new TestClock();
  bucket = new MemoryBucket();
  api = await Harness.start({ clock, artifactBucket: bucket });
  const worker = await api.register();
  await api.submit({ artifacts: [{ name: 'report', paths: ['**'], expireIn: 1000 }] });
  build = await worker.claimOne();
  await build.accept();
});
afterEach(() => api[Symbol.asyncDispose]());

const listed = async () =>
  (await api.user<{ artifacts: ArtifactEntry[] }>('GET', `/v1/jobs/${build.jobId}/artifacts`)).body.artifacts;
const keyOf = (id: string) => `${build.jobId}/1/${id}`;
type Plan = { files: Array<{ upload?: { url: string }; parts?: { partSize: number; targets: unknown[] } }> };
const planned = async (file: object) => (await build.plan([file as never])).body as unknown as Plan;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('files of builds in a bucket', () => {
  test('are sent to presigned URLs, listed once they are complete, and given to people', async () => {
    expect((await planned(small)).files[0]?.upload?.url).toBe(`https://bucket/${keyOf('artifact-1')}?signed`);
    bucket.objects.set(keyOf('artifact-1'), bytes);
    expect(await listed()).toEqual([]);
    for (let time = 0; time < 2; time++) expect((await build.complete('artifact-1', sha256(bytes))).status).toBe(200);
    expect(await listed()).toMatchObject([{ path: 'report.html', sha256: sha256(bytes) }]);
    const got = await api.fetch('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`, api.userToken);
    expect(await got.text()).toBe('report');
    expect((await build.plan([small])).body.files).toEqual([{ artifactId: 'artifact-1', stored: true }]);
  });

  test('go in parts when they are large; a plan that is renewed goes on with the same upload', async () => {
    const first = await planned(big);
    expect(first.files[0]?.parts).toMatchObject({
      partSize: 8 * 1024 ** 2,
      targets: { length: 19 },
      uploadId: 'upload-1',
    });
    expect(await planned(big)).toEqual(first);
    await Promise.all([planned(big), planned(big)]);
    expect(bucket.uploads.size).toBe(1);
    const body = { epoch: 1, sha256: sha256(new Uint8Array(bigSize).fill(3)), etags: ['a', 'b', 'c'] };
    expect((await build.call('POST', '/artifacts/artifact-2/complete', { body })).status).toBe(200);
    expect(bucket.objects.get(keyOf('artifact-2'))?.[0]).toBe(3);
  });

  test('are not listed when nothing, or something of another size, has arrived', async () => {
    await planned(small);
    expect((await build.complete('artifact-1', sha256(bytes))).body.error.code).toBe('RITMO_CONFLICT');
    bucket.objects.set(keyOf('artifact-1'), bytes.subarray(1));
    expect((await build.complete('artifact-1', sha256(bytes))).body.error.code).toBe('RITMO_ARTIFACT_UPLOAD');
    expect(await listed()).toEqual([]);
    expect(bucket.objects.size).toBe(0);
  });

  test('are not listed when other bytes have arrived than those that were sent, and may be sent again', async () => {
    await planned(small);
    bucket.objects.set(keyOf('artifact-1'), new TextEncoder().encode('REPORT'));
    expect((await build.complete('artifact-1', sha256(bytes))).body.error).toMatchObject({
      code: 'RITMO_ARTIFACT_UPLOAD',
      retryable: true,
      message: 'The bytes of report.html in the bucket are not those of the sha256 given.',
    });
    expect(await listed()).toEqual([]);
    expect(bucket.objects.size).toBe(0);
    await planned(big);
    const body = { epoch: 1, sha256: sha256('x'), etags: ['a'] };
    expect((await build.call('POST', '/artifacts/artifact-2/complete', { body })).status).toBe(412);
    await planned(big);
    expect([...bucket.uploads]).toEqual(['upload-2']);
  });

  test('are not sent twice within a project, and each stays for as long as a file has it', async () => {
    const again = { ...small, artifactId: 'artifact-3', path: 'copy.html', name: 'kept' };
    await planned(small);
    expect((await planned(again)).files[0]).not.toHaveProperty('known');
    bucket.objects.set(keyOf('artifact-1'), bytes);
    await build.complete('artifact-1', sha256(bytes));
    expect((await planned(again)).files[0]).toMatchObject({ known: true, upload: {} });
    expect((await planned({ ...again, sha256: sha256(bytes) })).files).toEqual([
      { artifactId: 'artifact-3', stored: true },
    ]);
    expect(bucket.objects.size).toBe(1);
    clock.advance(61_000);
    while ((await listed()).length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const got = await api.fetch('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-3`, api.userToken);
    expect(await got.text()).toBe('report');
  });

  test('are sent where their object is gone from the bucket, or the content is another project’s', async () => {
    await planned(small);
    bucket.objects.set(keyOf('artifact-1'), bytes);
    await build.complete('artifact-1', sha256(bytes));
    const again = { ...small, artifactId: 'artifact-3', path: 'copy.html', sha256: sha256(bytes) };
    bucket.objects.clear();
    expect((await planned(again)).files[0]).toMatchObject({ upload: {} });
    await api.submit({ artifacts: [{ name: 'report', paths: ['**'] }] }, {}, 'other');
    const other = await (await api.register()).claimOne();
    const { files } = (await other.plan([again])).body as unknown as Plan;
    expect(files[0]).not.toHaveProperty('known');
    expect(files[0]).toMatchObject({ upload: {} });
  });

  test('are not taken by the server itself', async () => {
    await planned(small);
    expect((await build.upload('artifact-1', bytes)).body.error.code).toBe('RITMO_CONFLICT');
  });

  test('wait while the bucket cannot be used: the answer may be tried again', async () => {
    bucket.broken = true;
    const { status, body } = await build.plan([small]);
    expect(status).toBe(503);
    expect((body as ErrorBody).error).toMatchObject({ code: 'RITMO_UNAVAILABLE', retryable: true });
    bucket.broken = false;
    expect((await build.plan([small])).status).toBe(200);
  });

  test('are removed once they are past their time', async () => {
    await planned(small);
    bucket.objects.set(keyOf('artifact-1'), bytes);
    await build.complete('artifact-1', sha256(bytes));
    clock.advance(61_000);
    await until(() => bucket.objects.size === 0);
    expect(await listed()).toEqual([]);
  });

  test('that a build left half sent are removed once it is over', async () => {
    await planned(big);
    expect(bucket.uploads.size).toBe(1);
    await build.finish('failed', { failure: { code: 'RITMO_STEP_FAILED', message: 'x', retryable: false } });
    clock.advance(61_000);
    await until(() => bucket.uploads.size === 0);
  });

  test('that a build sent whole and did not complete are removed once it is over', async () => {
    await planned(small);
    bucket.objects.set(keyOf('artifact-1'), bytes);
    await build.finish('failed', { failure: { code: 'RITMO_STEP_FAILED', message: 'x', retryable: false } });
    clock.advance(61_000);
    await until(() => bucket.objects.size === 0);
  });

  test('stay known to a server that is started without its bucket, which says what it needs', async () => {
    await planned(small);
    bucket.objects.set(keyOf('artifact-1'), bytes);
    await build.complete('artifact-1', sha256(bytes));
    await api.restartWithoutBucket();
    const got = await api.user<ErrorBody>('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`);
    expect(got.body.error).toMatchObject({ code: 'RITMO_UNAVAILABLE', hint: expect.stringContaining('bucket') });
  });
});
