import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseS3Address, s3ArtifactStore } from '../src/index.js';
import { partSizeOf } from '../src/part-size.js';

describe('an address of an S3 store', () => {
  it('names bucket and prefix, and in its query what else is needed', () => {
    expect(parseS3Address('s3://builds')).toEqual({ bucket: 'builds' });
    expect(
      parseS3Address('s3://builds/ci/main/?endpoint=http://127.0.0.1:9000&region=eu-west-1&pathStyle=true&parallel=16'),
    ).toEqual({
      bucket: 'builds',
      prefix: 'ci/main',
      endpoint: 'http://127.0.0.1:9000',
      region: 'eu-west-1',
      pathStyle: true,
      parallel: 16,
    });
  });

  it.each([
    ['http://builds', 'cannot be read'],
    ['s3://', 'is not the name of a bucket'],
    ['s3://builds/../other', 'must not hold `..`'],
    ['s3://builds?endpoint=ftp://x', 'endpoint'],
    ['s3://builds?nonsense=1', 'nonsense'],
    ['s3://builds?parallel=many', 'parallel'],
    ['s3://builds?parallel=0', 'parallel'],
    ['s3://builds?tags=perhaps', 'tags'],
    ['s3://builds?key={job}/{path}', '{attempt}'],
    ['s3://builds?credentials=a', 'has no place for credentials'],
    ['s3://builds?kmsKeyId=a', 'needs the encryption aws:kms'],
  ])('%s is refused, with what it may hold', (address, words) => {
    expect(() => parseS3Address(address)).toThrow(
      expect.objectContaining({
        code: 'RITMO_USAGE',
        message: expect.stringContaining(words),
        hint: expect.stringContaining('s3://BUCKET/PREFIX'),
      }),
    );
  });

  it('is checked where the store is made, before any job', () => {
    expect(() => s3ArtifactStore({ bucket: '' })).toThrow(/bucket/);
  });
});

describe('the size of parts', () => {
  const mebibyte = 1024 ** 2;
  const tebibyte = 1024 ** 4;

  it('is as wanted up to 10,000 parts, and grows with the file beyond', () => {
    expect(partSizeOf('a', 1, 8 * mebibyte)).toBe(8 * mebibyte);
    expect(partSizeOf('a', 80_000 * mebibyte, 8 * mebibyte)).toBe(8 * mebibyte);
    expect(partSizeOf('a', 80_000 * mebibyte + 1, 8 * mebibyte)).toBe(9 * mebibyte);
  });

  it('keeps every file of up to 5 TiB within what S3 takes, and is the smallest that does', () => {
    const sizes = fc.oneof(fc.integer({ min: 1, max: 5 * tebibyte }), fc.constantFrom(1, 5 * tebibyte));
    const wanted = fc.integer({ min: 5 * mebibyte, max: 16 * mebibyte });
    fc.assert(
      fc.property(sizes, wanted, (size, least) => {
        const bytes = partSizeOf('a', size, least);
        expect(Math.ceil(size / bytes)).toBeLessThanOrEqual(10_000);
        expect(bytes).toBeGreaterThanOrEqual(least);
        expect(bytes).toBeLessThanOrEqual(5 * 1024 ** 3);
        if (bytes > least) expect(Math.ceil(size / (bytes - mebibyte))).toBeGreaterThan(10_000);
      }),
    );
  });

  it('is refused for a file that S3 does not take', () => {
    expect(() => partSizeOf('a', 5 * tebibyte + 1, 8 * mebibyte)).toThrow(
      expect.objectContaining({ code: 'RITMO_ARTIFACT_LIMIT', hint: 'Split the file.' }),
    );
  });
});
