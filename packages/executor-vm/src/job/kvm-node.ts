import { execFile } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

/** A node of /dev/kvm that only this user may open; undefined where the agent is no root and has to use the system's. */
export async function makeKvmNode(path: string, user: Owner | undefined): Promise<string | undefined> {
  if (user === undefined) return undefined;
  await promisify(execFile)('mknod', [path, 'c', '10', '232'], { timeout: 10_000 });
  chmodSync(path, 0o600);
  chownSync(path, user.uid, user.gid);
  return path;
}
