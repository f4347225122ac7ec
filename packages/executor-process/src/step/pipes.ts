import { execFile } from 'node:child_process';
import { chmodSync, chownSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

const run = promisify(execFile);
const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK } = constants;

/**
 * The ways out of one command: its output, and what its sandbox tells of itself. The writing ends are closed as soon as
 * the process has them.
 */
export interface CommandPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly status: Socket;
  readonly writeEnds: { readonly stdout: number; readonly stderr: number; readonly status: number };
  closeWriteEnds(): void;
}

/**
 * Pipes with names, since Node's own are sockets: `tee /dev/stderr` and `> /dev/stdout` do not work on those, nor on
 * a pipe that belongs to somebody else. A set is used by one command at a time and then by the next.
 */
export class PipePool {
  readonly #folder: string;
  readonly #free: string[] = [];
  #made = 0;

  /** `folder` is the pool's own; it is made when it is needed. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A set that the user may write to. Give it back with `release` once nobody holds its ends. */
  async take(user: Owner): Promise<string> {
    const set = this.#free.pop() ?? (await this.#make());
    for (const name of names) {
      if (process.getuid?.() === 0) chownSync(join(set, name), user.uid, user.gid);
    }
    return set;
  }

  release(set: string): void {
    this.#free.push(set);
  }

  async #make(): Promise<string> {
    this.#made += 1;
    const set = join(this.#folder, String(this.#made));
    mkdirSync(set, { recursive: true, mode: 0o700 });
    await run('mkfifo', ['-m', '600', ...names.map((name) => join(set, name))]);
    return set;
  }
}

const names = ['stdout', 'stderr', 'status'] as const;

/** Opens both ends of the pipes of a set. */
export function openPipes(set: string): CommandPipes {
  const stdout = openPipe(join(set, 'stdout'), O_WRONLY);
  const stderr = openPipe(join(set, 'stderr'), O_WRONLY);
  // Bubblewrap must not die of an agent that does not read any more: its first process would wait for it for ever.
  const status = openPipe(join(set, 'status'), O_RDWR);
  let open = true;
  return {
    stdout: stdout.reader,
    stderr: stderr.reader,
    status: status.reader,
    writeEnds: { stdout: stdout.writeEnd, stderr: stderr.writeEnd, status: status.writeEnd },
    closeWriteEnds: () => {
      if (!open) return;
      open = false;
      for (const { writeEnd } of [stdout, stderr, status]) closeSync(writeEnd);
    },
  };
}

function openPipe(path: string, mode: number): { reader: Socket; writeEnd: number } {
  // The reader first: without one a writer would wait, and this way neither does. Reading needs the mode below.
  chmodSync(path, 0o600);
  const readEnd = openSync(path, O_RDONLY | O_NONBLOCK);
  const writeEnd = openSync(path, mode);
  chmodSync(path, 0o200);
  return { reader: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
}
