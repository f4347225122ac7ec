import { readlinkSync } from 'node:fs';
import { unlessErrno } from '../errno.js';

const maxLinks = 40;
const slash = 0x2f;

/**
 * Whether a link leads to a place inside of the root, links on its way included. `root` is a path that the caller
 * trusts, `folder` the names from there to the folder of the link. What is not there counts by its name.
 */
export function staysInside(root: Buffer, folder: readonly Buffer[], target: Buffer): boolean {
  const here = [...folder];
  const rest = split(target);
  if (target[0] === slash) return false;
  for (let links = 0; rest.length > 0; ) {
    const name = rest.shift() as Buffer;
    const text = name.toString('latin1');
    if (text === '' || text === '.') continue;
    if (text === '..') {
      if (here.pop() === undefined) return false;
      continue;
    }
    const next = linkAt(root, [...here, name]);
    if (next === undefined) {
      here.push(name);
      continue;
    }
    links += 1;
    if (links > maxLinks || next[0] === slash) return false;
    rest.unshift(...split(next));
  }
  return true;
}

function linkAt(root: Buffer, names: readonly Buffer[]): Buffer | undefined {
  const path = Buffer.concat([root, ...names.flatMap((name) => [Buffer.from('/'), name])]);
  return unlessErrno(['EINVAL', 'ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG'], () =>
    readlinkSync(path, { encoding: 'buffer' }),
  );
}

function split(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let from = 0; from <= path.length; ) {
    const at = path.indexOf(slash, from);
    names.push(path.subarray(from, at === -1 ? path.length : at));
    if (at === -1) break;
    from = at + 1;
  }
  return names;
}
