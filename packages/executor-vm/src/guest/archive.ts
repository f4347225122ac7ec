/** One entry of an archive, owned by root. Folders of a path must come before it. */
export type ArchiveEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Buffer }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number };

/** A cpio archive of the kind `newc`, which the kernel unpacks as its first root. The same entries give the same bytes. */
export function newcArchive(entries: readonly ArchiveEntry[]): Buffer {
  const parts = entries.flatMap((entry, index) => partsOf(entry, index + 1));
  return Buffer.concat([...parts, ...record({ inode: 0, mode: 0, path: 'TRAILER!!!' })]);
}

function partsOf(entry: ArchiveEntry, inode: number): Buffer[] {
  const { path } = entry;
  switch (entry.kind) {
    case 'folder':
      return record({ inode, mode: 0o040755, path });
    case 'file':
      return record({ inode, mode: 0o100000 | entry.mode, path, data: entry.data });
    case 'link':
      return record({ inode, mode: 0o120777, path, data: Buffer.from(entry.target) });
    case 'device':
      return record({ inode, mode: 0o020600, path, device: [entry.major, entry.minor] });
  }
}

interface Record {
  readonly inode: number;
  readonly mode: number;
  readonly path: string;
  readonly data?: Buffer;
  readonly device?: readonly [number, number];
}

function record({ inode, mode, path, data = Buffer.alloc(0), device = [0, 0] }: Record): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), data, padding(data.length)];
}

const padding = (length: number) => Buffer.alloc((4 - (length % 4)) % 4);
