import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encoded, queryText, Signer } from '../src/signature.js';

const keys = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const now = new Date('2013-05-24T00:00:00Z');
const request = {
  method: 'PUT',
  host: 'examplebucket.s3.amazonaws.com',
  path: '/test%24file.text',
  query: {},
  headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
  sha256: createHash('sha256').update('Welcome to Amazon S3.').digest('hex'),
};

describe('a signature', () => {
  it('is the one of the example in the manual of Amazon S3', () => {
    expect(new Signer('us-east-1').sign(request, keys, now)['authorization']).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
        'SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, ' +
        'Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    );
  });

  it('covers the token of credentials that do not last', () => {
    const headers = new Signer('us-east-1').sign(request, { ...keys, sessionToken: 'token' }, now);
    expect(headers['x-amz-security-token']).toBe('token');
    expect(headers['authorization']).toContain(';x-amz-security-token;');
  });

  it('changes with the day and with the secret, also when the same signer makes it', () => {
    const signer = new Signer('us-east-1');
    const made = [
      signer.sign(request, keys, now),
      signer.sign(request, keys, new Date('2013-05-25T00:00:00Z')),
      signer.sign(request, { ...keys, secretAccessKey: 'other' }, now),
      signer.sign(request, keys, now),
    ].map((headers) => headers['authorization']);
    expect(new Set(made).size).toBe(3);
    expect(made[3]).toBe(made[0]);
  });
});

describe('a part of an address', () => {
  it('is encoded byte by byte, and the query is in order', () => {
    expect(encoded("a b+c!'()*~é\n")).toBe('a%20b%2Bc%21%27%28%29%2A~%C3%A9%0A');
    expect(queryText({ uploadId: 'x=/', partNumber: '2' })).toBe('partNumber=2&uploadId=x%3D%2F');
  });
});
