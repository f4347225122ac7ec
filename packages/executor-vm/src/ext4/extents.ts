import { demand } from './unreadable.js';

/** Blocks of a file that lie one behind the other on its disk. */
export interface Extent {
  /** The first of them in the file. */
  readonly first: number;
  readonly count: number;
  /** The first of them on the disk. */
  readonly start: number;
  /** Where they were only set aside for the file, it holds zeros. */
  readonly written: boolean;
}

const magic = 0xf30a;
const headBytes = 12;
const entryBytes = 12;
const mostDepth = 5;
/** A count above this one means blocks that are not written, less this many. */
const mostWritten = 32_768;

/**
 * The extents of a file in their order, out of the tree whose root is in its inode
 * (https://docs.kernel.org/filesystems/ext4/dynamic.html#extent-tree). A tree that a build made may lead in circles: it ends,
 * since every leaf must go on in the file where the one before has ended.
 */
export function* extentsOf(root: Buffer, readBlock: (block: number) => Buffer): Generator<Extent> {
  let next = 0;
  function* below(node: Buffer, depth: number): Generator<Extent> {
    const count = node.readUInt16LE(2);
    demand(node.readUInt16LE(0) === magic, 'a tree of extents without its mark');
    demand(headBytes + count * entryBytes <= node.length, 'more extents than fit');
    for (let index = 0; index < count; index++) {
      const entry = node.subarray(headBytes + index * entryBytes);
      if (depth === 0) {
        const extent = extentAt(entry);
        demand(extent.count > 0 && extent.first >= next, 'extents in disorder');
        next = extent.first + extent.count;
        yield extent;
      } else {
        const child = readBlock(entry.readUInt32LE(4) + entry.readUInt16LE(8) * 2 ** 32);
        demand(child.readUInt16LE(2) > 0 && child.readUInt16LE(6) === depth - 1, 'a tree of extents in disorder');
        yield* below(child, depth - 1);
      }
    }
  }
  const depth = root.readUInt16LE(6);
  demand(depth <= mostDepth, 'a tree of extents that is too deep');
  yield* below(root, depth);
}

function extentAt(entry: Buffer): Extent {
  const count = entry.readUInt16LE(4);
  const written = count <= mostWritten;
  return {
    first: entry.readUInt32LE(0),
    count: written ? count : count - mostWritten,
    start: entry.readUInt32LE(8) + entry.readUInt16LE(6) * 2 ** 32,
    written,
  };
}
