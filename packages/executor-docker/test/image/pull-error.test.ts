import { expect, test } from 'vitest';
import { DockerError } from '../../src/docker/error.js';
import { pullError } from '../../src/image/pull-error.js';
import { parseReference } from '../../src/image/reference.js';

test.each([
  ['a/b:1', 404, 'manifest for a/b:1 not found: manifest unknown', 'RITMO_IMAGE_MISSING'],
  ['127.0.0.1:45033/a/b:1', 404, 'manifest for 127.0.0.1:45033/a/b:1 not found', 'RITMO_IMAGE_MISSING'],
  ['busybox:503', 404, 'manifest for busybox:503 not found: manifest unknown', 'RITMO_IMAGE_MISSING'],
  ['a.b/denied/timeout:1', 404, 'manifest for a.b/denied/timeout:1 not found', 'RITMO_IMAGE_MISSING'],
  [
    'a/b:1',
    404,
    "pull access denied for a/b, repository does not exist or may require 'docker login'",
    'RITMO_IMAGE_AUTH',
  ],
  ['a.b/c:1', 500, 'Get "https://a.b/v2/c/manifests/1": unauthorized: authentication required', 'RITMO_IMAGE_AUTH'],
  ['a.b/c:1', 500, 'Get "https://a.b/v2/": dial tcp: lookup a.b: no such host', 'RITMO_REGISTRY_UNREACHABLE'],
  ['a.b/c:1', 500, 'Get "https://a.b/v2/": dial tcp 10.0.0.1:443: i/o timeout', 'RITMO_REGISTRY_UNREACHABLE'],
  ['a.b/c:1', 500, 'received unexpected HTTP status: 503 Service Unavailable', 'RITMO_REGISTRY_UNREACHABLE'],
  [
    'a.b/c:1',
    500,
    'Get "https://a.b/v2/": x509: certificate signed by unknown authority',
    'RITMO_REGISTRY_UNREACHABLE',
  ],
  ['a.b/c:1', 500, 'no matching manifest for linux/s390x in the manifest list entries', 'RITMO_IMAGE_PLATFORM'],
  ['a.b/c:1', 500, 'write /var/lib/docker/tmp/x: no space left on device', 'RITMO_DISK_FULL'],
  ['a.b/c:1', 500, 'something else', 'RITMO_IMAGE_PULL_FAILED'],
])('a pull of %s that is answered %i %j', (name, status, message, code) => {
  const error = pullError(parseReference(name), new DockerError(message, { status }));
  expect(error.code, error.message).toBe(code);
});

test('what the client puts before the words of the daemon is left out', () => {
  const said = '(HTTP code 500) server error - Get "https://a.b/v2/": dial tcp: lookup a.b: no such host';
  const { message } = pullError(parseReference('a.b/c:1'), new DockerError(said, { status: 500 }));
  expect(message).toBe('a.b does not answer: Get "https://a.b/v2/": dial tcp: lookup a.b: no such host');
});
