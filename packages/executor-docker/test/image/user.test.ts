import { expect, test } from 'vitest';
import { imageUser } from '../../src/image/user.js';

const files: Record<string, string> = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\nnode:x:1000:1001::/home/node:/bin/sh\n',
  '/etc/group': 'root:x:0:\nnode:x:1001:\nstaff:x:50:\n',
};
const read = (path: string) => Promise.resolve(files[path]);

test.each([
  ['', { uid: 0, gid: 0 }],
  ['root', { uid: 0, gid: 0 }],
  ['0', { uid: 0, gid: 0 }],
  ['node', { uid: 1000, gid: 1001 }],
  ['1000', { uid: 1000, gid: 1001 }],
  ['1000:7', { uid: 1000, gid: 7 }],
  ['node:staff', { uid: 1000, gid: 50 }],
  ['2000', { uid: 2000, gid: 0 }],
  ['0:staff', { uid: 0, gid: 50 }],
  ['nobody', undefined],
  ['node:nobody', undefined],
])('the user %j of an image is %j', async (user, found) => {
  expect(await imageUser(user, read)).toEqual(found);
});
