import type { Readable } from 'node:stream';

const blockBytes = 512;
const longestFile = 1024 * 1024;

export type TarEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** A tar archive of folders and links that belong to root. Paths and targets are short (100 bytes). */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(headerOf), Buffer.alloc(2 * blockBytes)]);
}

function headerOf(entry: TarEntry): Buffer {
  const header = Buffer.alloc(blockBytes);
  header.write(entry.path, 0, 100);
  header.write('0000755\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write('00000000000\0', 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(entry.kind === 'folder' ? '5' : '2', 156);
  if (entry.kind === 'link') header.write(entry.target, 157, 100);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** The content of the first regular file of an archive; undefined where it is longer than 1 MiB or there is none. */
export async function firstFile(archive: Readable): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of archive as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > longestFile) {
      archive.destroy();
      return undefined;
    }
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length < blockBytes || !['0', '\0'].includes(bytes.toString('latin1', 156, 157))) return undefined;
  const size = Number.parseInt(bytes.toString('latin1', 124, 136), 8);
  return bytes.toString('utf8', blockBytes, blockBytes + size);
}
