import { demand } from './unreadable.js';

/** What an inode says of a file. */
export interface Inode {
  readonly kind: 'file' | 'folder' | 'link' | 'special';
  /** With the bits of its kind. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeMs: number;
  /** The root of the tree of its extents; undefined where it has none. */
  readonly extents: Buffer | undefined;
  /** The target of a link that is short. */
  readonly short: Buffer | undefined;
}

const kinds: Readonly<Record<number, Inode['kind']>> = {
  1: 'special',
  2: 'special',
  4: 'folder',
  6: 'special',
  8: 'file',
  10: 'link',
  12: 'special',
};
const flags = { encrypted: 0x800, extents: 0x80000, inline: 0x10000000 };
const oldInodeBytes = 128;
const rootAt = 0x28;
const rootBytes = 60;

/** Understands the bytes of an inode: https://docs.kernel.org/filesystems/ext4/dynamic.html#index-nodes. */
export function inodeOf(bytes: Buffer): Inode {
  const mode = bytes.readUInt16LE(0);
  const kind = kinds[mode >> 12];
  demand(kind !== undefined, 'a file of no kind');
  const set = bytes.readUInt32LE(0x20);
  demand((set & (flags.encrypted | flags.inline)) === 0, 'a file that is kept in another way');
  const size = bytes.readUInt32LE(4) + bytes.readUInt32LE(0x6c) * 2 ** 32;
  demand(Number.isSafeInteger(size), 'a file without end');
  const root = bytes.subarray(rootAt, rootAt + rootBytes);
  const hasExtents = (set & flags.extents) !== 0;
  const isShort = kind === 'link' && !hasExtents && size < rootBytes;
  demand(hasExtents || isShort || kind === 'special' || size === 0, 'a file without extents');
  return {
    kind,
    mode,
    size,
    mtimeMs: mtimeOf(bytes),
    extents: hasExtents ? root : undefined,
    short: isShort ? root.subarray(0, size) : undefined,
  };
}

/** Seconds; where the inode has room, two more bits of them and nanoseconds. */
function mtimeOf(bytes: Buffer): number {
  const seconds = bytes.readInt32LE(0x10);
  const extraEnds = bytes.length > oldInodeBytes ? oldInodeBytes + bytes.readUInt16LE(0x80) : 0;
  if (extraEnds < 0x8c) return seconds * 1_000;
  const extra = bytes.readUInt32LE(0x88);
  return (seconds + (extra & 3) * 2 ** 32) * 1_000 + Math.floor((extra >>> 2) / 1_000_000);
}
