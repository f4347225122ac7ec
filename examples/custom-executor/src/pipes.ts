import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

/** The two ways out of one command: stdout, stderr. */
export interface Pipes {
  readonly readEnds: readonly [Socket, Socket];
  readonly writeEnds: readonly [number, number];
  /** Ours: once the process has them, only its own keep the pipes open. */
  closeWriteEnds(): void;
  readonly paths: readonly [string, string];
}

/** Pipes with names: those of Node are sockets, and a build that opens /dev/stdout would fail. */
export async function openPipes(folder: string, user: Owner | undefined): Promise<Pipes> {
  const name = randomUUID();
  const paths = [join(folder, `${name}.out`), join(folder, `${name}.err`)] as const;
  await promisify(execFile)('mkfifo', ['-m', '600', ...paths]);
  const [out, err] = [openPipe(paths[0], user), openPipe(paths[1], user)];
  const writeEnds = [out.writeEnd, err.writeEnd] as const;
  return {
    paths,
    writeEnds,
    readEnds: [out.readEnd, err.readEnd],
    closeWriteEnds: () => writeEnds.forEach((fd) => closeSync(fd)),
  };
}

export async function closePipes({ readEnds, paths }: Pipes): Promise<void> {
  for (const end of readEnds) end.destroy();
  for (const path of paths) await rm(path, { force: true });
}

function openPipe(path: string, user: Owner | undefined): { readonly readEnd: Socket; readonly writeEnd: number } {
  // The reader first: without one a writer would wait.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeEnd = openSync(path, constants.O_WRONLY);
  if (user !== undefined) chownSync(path, user.uid, user.gid);
  chmodSync(path, 0o200);
  return { readEnd: new Socket({ fd, readable: true, writable: false }), writeEnd };
}
