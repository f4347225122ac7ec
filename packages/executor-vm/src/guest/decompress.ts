import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

const most = 512 * 1024 * 1024;
/** Programs that unpack to stdout, by the first bytes of what they unpack. */
const programs: ReadonlyArray<readonly [magic: string, program: string, ...args: string[]]> = [
  ['fd377a585a00', 'xz', '-dc'],
  ['28b52ffd', 'zstd', '-dcq'],
  ['02214c18', 'lz4', '-dc'],
];

/** Unpacks gzip, xz, zstd and lz4; anything else is returned as it is. */
export async function decompress(data: Buffer): Promise<Buffer> {
  if (data.readUInt16BE(0) === 0x1f8b) return await promisify(gunzip)(data);
  const found = programs.find(([magic]) => data.subarray(0, magic.length / 2).toString('hex') === magic);
  if (found === undefined) return data;
  const [, program, ...args] = found;
  return await new Promise((resolve, reject) => {
    const child = execFile(program, args, { encoding: 'buffer', maxBuffer: most, timeout: 60_000 }, (error, stdout) => {
      // The kernel puts four bytes behind the end, of which some programs complain after all is unpacked.
      if (error !== null && stdout.length === 0) reject(error);
      else resolve(stdout);
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(data);
  });
}
