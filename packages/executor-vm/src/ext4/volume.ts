import { readSync } from 'node:fs';
import { extentsOf } from './extents.js';
import { type Inode, inodeOf } from './inode.js';
import { demand } from './unreadable.js';

const superblockAt = 1024;
const superblockBytes = 1024;
const magic = 0xef53;
const rootInode = 2;
const chunkBytes = 256 * 1024;
const folderChunkBytes = 64 * 1024;
const mostLinkBytes = 4096;
/** More than any workspace has: each folder takes a block at least. */
const mostFolderBytes = 4 * 1024 ** 3;
const mostNames = 5_000_000;
/** What a disk of a job is made with, and all else that changes nothing for who reads. */
const known = {
  /** Kinds of files in folders, extents, 64 bit, groups of groups. */
  incompatible: 0x2 | 0x40 | 0x80 | 0x200,
  /** Sparse superblocks, large and huge files, checksums of groups, many links, larger inodes. */
  readOnly: 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40,
};

interface Layout {
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly inodes: number;
  readonly inodesOfGroup: number;
  /** Where the table of groups begins. */
  readonly groupsAt: number;
  readonly groupBytes: number;
}

/** A name in a folder, one character a byte. */
export interface Name {
  readonly name: string;
  readonly inode: number;
}

/**
 * An ext4 file system that nobody has mounted, as a build has left it: all of it is a claim. It is only read, within its
 * file, and every read ends; what makes no sense throws {@link Unreadable}.
 * https://docs.kernel.org/filesystems/ext4/
 */
export class Volume {
  readonly #fd: number;
  readonly #layout: Layout;
  readonly #content = Buffer.allocUnsafeSlow(chunkBytes);
  readonly #nothing = Buffer.alloc(chunkBytes);
  #folderBytes = 0;
  #names = 0;

  /** The descriptor stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#layout = layoutOf(this.#read(superblockAt, Buffer.allocUnsafe(superblockBytes)));
  }

  /** The folder above all others. */
  root(): Inode {
    return this.inode(rootInode);
  }

  inode(number: number): Inode {
    const { blockBytes, inodeBytes, inodes, inodesOfGroup, groupsAt, groupBytes } = this.#layout;
    demand(number >= 1 && number <= inodes, 'a file that there is not');
    const group = Math.floor((number - 1) / inodesOfGroup);
    const described = this.#read(groupsAt + group * groupBytes, Buffer.allocUnsafe(groupBytes));
    const high = groupBytes >= 64 ? described.readUInt32LE(0x28) : 0;
    const table = (described.readUInt32LE(8) + high * 2 ** 32) * blockBytes;
    const at = table + ((number - 1) % inodesOfGroup) * inodeBytes;
    return inodeOf(this.#read(at, Buffer.allocUnsafe(inodeBytes)));
  }

  /** What a folder holds, in no order. */
  *names(folder: Inode): Generator<Name> {
    this.#folderBytes += folder.size;
    demand(this.#folderBytes <= mostFolderBytes, 'folders without end');
    for (const chunk of this.#chunks(folder, () => Buffer.allocUnsafe(folderChunkBytes))) {
      for (let at = 0; at < chunk.length; ) {
        demand(at + 8 <= chunk.length, 'a folder that is cut');
        const [inode, bytes, nameBytes] = [chunk.readUInt32LE(at), chunk.readUInt16LE(at + 4), chunk[at + 6] ?? 0];
        const blockEnd = (Math.floor(at / this.#layout.blockBytes) + 1) * this.#layout.blockBytes;
        demand(bytes >= 8 + nameBytes && bytes % 4 === 0 && at + bytes <= blockEnd, 'a name that does not fit');
        const name = chunk.toString('latin1', at + 8, at + 8 + nameBytes);
        at += bytes;
        this.#names += 1;
        demand(this.#names <= mostNames, 'names without end');
        if (inode === 0 || name === '.' || name === '..') continue;
        demand(!/^$|[/\0]/.test(name), 'a name that is none');
        yield { name, inode };
      }
    }
  }

  /** The inode of a name in a folder; undefined where there is none. */
  find(folder: Inode, wanted: string): Inode | undefined {
    for (const { name, inode } of this.names(folder)) if (name === wanted) return this.inode(inode);
    return undefined;
  }

  /** The bytes of a file, in chunks that are only good until the next one of any file is asked for. */
  content(file: Inode): Generator<Buffer> {
    return this.#chunks(file, () => this.#content);
  }

  /** Where a link leads, one character a byte. */
  target(link: Inode): string {
    if (link.short !== undefined) return link.short.toString('latin1');
    demand(link.size <= mostLinkBytes, 'a link that is too long');
    let target = '';
    for (const chunk of this.content(link)) target += chunk.toString('latin1');
    return target;
  }

  *#chunks({ size, extents }: Inode, buffer: () => Buffer): Generator<Buffer> {
    const { blockBytes } = this.#layout;
    let at = 0;
    const readBlock = (block: number) => this.#read(block * blockBytes, Buffer.allocUnsafe(blockBytes));
    for (const { first, count, start, written } of extents === undefined ? [] : extentsOf(extents, readBlock)) {
      const begin = first * blockBytes;
      // What was set aside behind the end of the file is none of it.
      if (begin >= size) break;
      yield* this.#zeros(begin - at);
      const end = Math.min(begin + count * blockBytes, size);
      if (!written) yield* this.#zeros(end - begin);
      for (at = written ? begin : end; at < end; ) {
        const room = buffer();
        const chunk = room.subarray(0, Math.min(room.length, end - at));
        yield this.#read(start * blockBytes + at - begin, chunk);
        at += chunk.length;
      }
    }
    yield* this.#zeros(size - at);
  }

  *#zeros(count: number): Generator<Buffer> {
    for (let left = count; left > 0; left -= chunkBytes) yield this.#nothing.subarray(0, Math.min(left, chunkBytes));
  }

  #read(at: number, into: Buffer): Buffer {
    demand(Number.isSafeInteger(at), 'a block behind its end');
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.#fd, into, done, into.length - done, at + done);
      demand(count > 0, 'a block behind its end');
      done += count;
    }
    return into;
  }
}

function layoutOf(superblock: Buffer): Layout {
  demand(superblock.readUInt16LE(0x38) === magic, 'no ext4 file system');
  const [incompatible, readOnly] = [superblock.readUInt32LE(0x60), superblock.readUInt32LE(0x64)];
  demand((incompatible & ~known.incompatible) === 0 && (readOnly & ~known.readOnly) === 0, 'unknown features');
  const shift = superblock.readUInt32LE(0x18);
  demand(shift <= 2, 'blocks that are too large');
  const blockBytes = 1024 << shift;
  const inodeBytes = superblock.readUInt16LE(0x58);
  demand([128, 256, 512, 1024].includes(inodeBytes), 'inodes of an odd size');
  const groupBytes = (incompatible & 0x80) === 0 ? 32 : superblock.readUInt16LE(0xfe);
  demand(groupBytes === 32 || groupBytes === 64, 'groups of an odd size');
  const inodesOfGroup = superblock.readUInt32LE(0x28);
  demand(inodesOfGroup > 0, 'groups without inodes');
  return {
    blockBytes,
    inodeBytes,
    inodes: superblock.readUInt32LE(0),
    inodesOfGroup,
    groupsAt: (superblock.readUInt32LE(0x14) + 1) * blockBytes,
    groupBytes,
  };
}
