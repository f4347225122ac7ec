import type { FileEntry } from '@ritmo/agent-core/executor';

const blockBytes = 512;
const shortName = 100;

/** Who owns what an archive holds. */
export interface TarOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * An archive of one file or link at `path` (its bytes, relative to the root), in the form of GNU tar: what comes before
 * its content and what after. Who takes it can be told their length before a byte of the content is read.
 */
export function tarAround(
  entry: FileEntry,
  path: Buffer,
  owner: TarOwner,
): { readonly head: Buffer; readonly tail: Buffer } {
  const target = entry.kind === 'link' ? Buffer.from(entry.target) : Buffer.alloc(0);
  const size = entry.kind === 'file' ? entry.size : 0;
  const fields = { mode: entry.mode, mtimeMs: entry.mtimeMs, ...owner };
  const head = Buffer.concat([
    ...longText('K', target),
    ...longText('L', path),
    header({ ...fields, path, target, size, kind: entry.kind === 'link' ? '2' : '0' }),
  ]);
  return { head, tail: Buffer.alloc(padding(size) + 2 * blockBytes) };
}

/** A text that is too long for a header goes before it, as the content of an entry of its own. */
function longText(kind: 'K' | 'L', text: Buffer): Buffer[] {
  if (text.length <= shortName) return [];
  const content = Buffer.concat([text, Buffer.alloc(1)]);
  const none = Buffer.alloc(0);
  return [
    header({
      path: Buffer.from('././@LongLink'),
      target: none,
      size: content.length,
      kind,
      mode: 0,
      mtimeMs: 0,
      uid: 0,
      gid: 0,
    }),
    content,
    Buffer.alloc(padding(content.length)),
  ];
}

interface Header extends TarOwner {
  readonly path: Buffer;
  readonly target: Buffer;
  readonly size: number;
  readonly kind: string;
  readonly mode: number;
  readonly mtimeMs: number;
}

function header({ path, target, size, kind, mode, mtimeMs, uid, gid }: Header): Buffer {
  const block = Buffer.alloc(blockBytes);
  path.copy(block, 0, 0, shortName);
  const numbers = [
    [100, 8, mode & 0o7777],
    [108, 8, uid],
    [116, 8, gid],
    [124, 12, size],
    [136, 12, Math.max(0, Math.floor(mtimeMs / 1_000))],
  ] as const;
  for (const [at, length, value] of numbers) writeNumber(block, at, length, value);
  block.write('        ', 148);
  block.write(kind, 156);
  target.copy(block, 157, 0, shortName);
  block.write('ustar  ', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** In octal, or, as GNU tar does with larger ones, as bytes behind one that says so. */
function writeNumber(block: Buffer, at: number, length: number, value: number): void {
  const octal = value.toString(8);
  if (octal.length < length) {
    block.write(octal.padStart(length - 1, '0'), at);
    return;
  }
  block.writeBigUInt64BE(BigInt(value), at + length - 8);
  block[at] = (block[at] ?? 0) | 0x80;
}

const padding = (size: number) => (blockBytes - (size % blockBytes)) % blockBytes;
