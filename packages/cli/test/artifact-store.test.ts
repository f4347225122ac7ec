import { LocalTransport } from '@ritmo/agent-core';
import { describe, expect, it } from 'vitest';
import { job } from '@ritmo/protocol';
import { openArtifactStore } from '../src/artifact-store.js';

const transport = new LocalTransport({
  job: job.parse({ name: 'a', steps: [{ run: 'true' }] }),
  secrets: {},
  onLog: () => undefined,
});

describe('--artifact-store', () => {
  it('is a folder, or a bucket', async () => {
    expect((await openArtifactStore('./here', transport)).name).toBe('folder');
    await using bucket = await openArtifactStore('s3://builds/ci?endpoint=http://127.0.0.1:9', transport);
    expect(bucket.name).toBe('s3');
  });

  it('says which package is missing for a bucket, and how to install it', async () => {
    const find = async () => undefined;
    await expect(openArtifactStore('s3://builds', transport, find)).rejects.toMatchObject({
      code: 'RITMO_PLUGIN_INVALID',
      message: expect.stringContaining('@ritmo/artifacts-s3'),
      hint: expect.stringContaining('npm install @ritmo/artifacts-s3'),
    });
  });

  it.each([['gs://builds'], ['s3:builds'], ['s3://builds?x=1']])('%s is refused before any job', async (place) => {
    await expect(openArtifactStore(place, transport)).rejects.toMatchObject({ code: 'RITMO_USAGE' });
  });
});
