import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactEntry } from '@ritmo/protocol';
import Libsql from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Harness, type TestBuild, sha256 } from './support/harness.js';

const good = Buffer.from('good content of a known release, signed');
const evil = Buffer.from('EVIL content of a known release, signed');
const file = { name: 'report', path: 'out/report.txt', size: good.length, mode: 0o644 };

let api: Harness;
let build: TestBuild;

beforeEach(async () => {
  api = await Harness.start();
  build = await claimed();
  await build.plan([{ ...file, artifactId: 'artifact-1' }]);
});
afterEach(() => api[Symbol.asyncDispose]());

async function claimed(): Promise<TestBuild> {
  const worker = await api.register();
  await api.submit();
  const one = await worker.claimOne();
  await one.accept();
  return one;
}

async function listed(): Promise<string[]> {
  const { body } = await api.user<{ artifacts: ArtifactEntry[] }>('GET', `/v1/jobs/${build.jobId}/artifacts`);
  return body.artifacts.map((one) => one.sha256 ?? '');
}

async function filesOnDisk(): Promise<string[]> {
  const entries = await readdir(join(api.dataDir, 'artifacts'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

const download = async () => (await api.user('GET', `/v1/jobs/${build.jobId}/artifacts/artifact-1`)).body;

/** Begins to send the bytes; the rest goes when `end` is called. */
async function slowUpload(content: Buffer) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const before = (await filesOnDisk()).length;
  const answer = build.upload('artifact-1', readable);
  const writer = writable.getWriter();
  await writer.write(content.subarray(0, 1));
  while ((await filesOnDisk()).length === before);
  return async () => {
    await writer.write(content.subarray(1));
    await writer.close();
    return answer;
  };
}

describe('bytes that arrive late', () => {
  test('take no file back that is stored', async () => {
    const end = await slowUpload(evil);
    await build.upload('artifact-1', good);
    await build.complete('artifact-1', sha256(good));
    expect((await end()).body.error.code).toBe('RITMO_CONFLICT');
    expect(await listed()).toEqual([sha256(good)]);
    expect(await filesOnDisk()).toEqual([sha256(good)]);
    expect((await build.complete('artifact-1', sha256(evil))).body.error.code).toBe('RITMO_ARTIFACT_UPLOAD');
    expect(await download()).toBe(good.toString());
  });

  test('are refused after the end of the job, and leave nothing', async () => {
    const end = await slowUpload(good);
    await build.finish();
    expect((await end()).body.error.code).toBe('RITMO_CONFLICT');
    expect(await filesOnDisk()).toEqual([]);
  });

  test('take the place of what was sent before, until the file is complete', async () => {
    await build.upload('artifact-1', evil);
    const end = await slowUpload(good);
    expect((await end()).status).toBe(200);
    expect(await filesOnDisk()).toHaveLength(1);
    expect((await build.complete('artifact-1', sha256(evil))).body.error.code).toBe('RITMO_ARTIFACT_UPLOAD');
    expect((await build.complete('artifact-1', sha256(good))).status).toBe(200);
    expect(await download()).toBe(good.toString());
  });
});

test('an upload that a server of the schema before took can be completed', async () => {
  await build.upload('artifact-1', good);
  await api.server.close();
  const [name = ''] = await filesOnDisk();
  const uploads = join(api.dataDir, 'artifacts', 'uploads');
  await rename(join(uploads, name), join(uploads, `${build.jobId}.1.artifact-1`));
  const db = new Libsql(join(api.dataDir, 'ritmo.db'));
  db.exec(`DROP INDEX artifacts_not_stored;
    CREATE INDEX artifacts_unfinished ON artifacts (upload_id) WHERE upload_id IS NOT NULL AND state = 'planned';
    DROP INDEX artifacts_by_upload; DROP INDEX artifacts_listed;
    ALTER TABLE artifacts DROP COLUMN upload_name;
    DROP INDEX artifacts_by_object; DROP INDEX artifacts_by_size_in_bucket;
    ALTER TABLE artifacts DROP COLUMN object_key;
    DROP INDEX artifacts_by_size; ALTER TABLE jobs DROP COLUMN project; PRAGMA user_version = 2`);
  db.close();
  await api.boot();
  expect((await build.complete('artifact-1', sha256(good))).status).toBe(200);
  expect(await download()).toBe(good.toString());
});

test('no crossing of calls of one job changes the stored file of another', async () => {
  await build.upload('artifact-1', good);
  await build.complete('artifact-1', sha256(good));
  const other = await claimed();
  for (let time = 0; time < 60; time++) {
    const artifactId = `crossing-${time}`;
    await other.plan([{ ...file, artifactId }]);
    await other.upload(artifactId, good);
    const late = other.upload(artifactId, evil);
    // A little later each time: somewhere the completion meets the end of the upload.
    for (let turn = 0; turn < time * 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([late, other.complete(artifactId, sha256(good))]);
    expect(await download()).toBe(good.toString());
  }
}, 120_000);
