import { describe, expect, it } from 'vitest';
import { imageUser } from '../../src/image/passwd.js';

const passwd = 'root:x:0:0:root:/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\nodd:x:5:5::relative:/bin/sh\n';
const group = 'root:x:0:\nnode:x:1001:\nstaff:x:50:node\n';

describe('the user of an image', () => {
  it.each([
    ['', { uid: 0, gid: 0, home: '/root' }],
    ['node', { uid: 1000, gid: 1001, home: '/home/node' }],
    ['1000', { uid: 1000, gid: 1001, home: '/home/node' }],
    ['node:staff', { uid: 1000, gid: 50, home: '/home/node' }],
    ['4711', { uid: 4711, gid: 4711, home: '/home/build' }],
    ['4711:12', { uid: 4711, gid: 12, home: '/home/build' }],
    ['odd', { uid: 5, gid: 5, home: '/home/build' }],
  ])('%s is looked up in its own files', (user, expected) => {
    expect(imageUser(user, passwd, group)).toEqual(expected);
  });

  it('must be one that they know', () => {
    for (const user of ['nobody-knows', 'node:nobody-knows'])
      expect(() => imageUser(user, passwd, group)).toThrow(expect.objectContaining({ code: 'RITMO_IMAGE_UNUSABLE' }));
  });
});
