import { type ReadStream } from 'node:fs';
import { PassThrough, type Readable } from 'node:stream';
import { spawn } from 'node:child_process';
import { createGunzip } from 'node:zlib';

const programs: ReadonlyArray<readonly [magic: string, program: string]> = [
  ['fd377a58', 'xz'],
  ['28b52ffd', 'zstd'],
];

/** The archive in a file that may be packed by gzip, xz or zstd: its first bytes tell. */
export function unpackedTar(file: ReadStream): Readable {
  const out = new PassThrough();
  file.once('error', (error) => out.destroy(error));
  file.once('readable', () => {
    const first: unknown = file.read(4);
    const magic = Buffer.isBuffer(first) ? first.toString('hex') : '';
    if (Buffer.isBuffer(first)) file.unshift(first);
    if (magic.startsWith('1f8b')) {
      const gunzip = createGunzip();
      gunzip.once('error', (error) => out.destroy(error));
      file.pipe(gunzip).pipe(out);
      return;
    }
    const program = programs.find(([start]) => start === magic)?.[1];
    if (program === undefined) {
      file.pipe(out);
      return;
    }
    const child = spawn(program, ['-dcq'], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.once('error', (error) => out.destroy(error));
    child.stdin.on('error', () => undefined);
    child.once('close', (code) => {
      if (code === 0) out.end();
      else out.destroy(new Error(`${program} cannot unpack it`));
    });
    file.pipe(child.stdin);
    child.stdout.pipe(out, { end: false });
  });
  return out;
}

/** An archive of a folder of the operator's, with the owners that its files have. */
export function folderTar(folder: string): Readable {
  const out = new PassThrough();
  const child = spawn('tar', ['--numeric-owner', '--one-file-system', '-C', folder, '-cf', '-', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-500)));
  child.once('error', (error) => out.destroy(error));
  child.once('close', (code) => {
    if (code === 0) out.end();
    else out.destroy(new Error(`tar: ${said.trim()}`));
  });
  out.once('close', () => child.kill('SIGKILL'));
  child.stdout.pipe(out, { end: false });
  return out;
}
