import { execFile } from 'node:child_process';
import { chmodSync, chownSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

const run = promisify(execFile);
const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** The two ways out of one command. The writing ends are closed as soon as the process has them. */
export interface OutputPipes {
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly writeEnds: { readonly stdout: number; readonly stderr: number };
  closeWriteEnds(): void;
}

/**
 * Pipes with names, since Node's own are sockets: `tee /dev/stderr` and `> /dev/stdout` do not work on those, nor on
 * a pipe that belongs to somebody else. A pair is used by one command at a time and then by the next.
 */
export class PipePool {
  readonly #folder: string;
  readonly #free: string[] = [];
  #made = 0;

  /** `folder` is the pool's own; it is made when it is needed. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A pair that the user may write to. Give it back with `release` once nobody holds its ends. */
  async take(user: Owner): Promise<string> {
    const pair = this.#free.pop() ?? (await this.#make());
    for (const name of names) {
      if (process.getuid?.() === 0) chownSync(join(pair, name), user.uid, user.gid);
    }
    return pair;
  }

  release(pair: string): void {
    this.#free.push(pair);
  }

  async #make(): Promise<string> {
    this.#made += 1;
    const pair = join(this.#folder, String(this.#made));
    mkdirSync(pair, { recursive: true, mode: 0o700 });
    await run('mkfifo', ['-m', '600', ...names.map((name) => join(pair, name))]);
    return pair;
  }
}

const names = ['stdout', 'stderr'] as const;

/** Opens both ends of both pipes of a pair. */
export function openPipes(pair: string): OutputPipes {
  const stdout = openPipe(join(pair, 'stdout'));
  const stderr = openPipe(join(pair, 'stderr'));
  let open = true;
  return {
    stdout: stdout.reader,
    stderr: stderr.reader,
    writeEnds: { stdout: stdout.writeEnd, stderr: stderr.writeEnd },
    closeWriteEnds: () => {
      if (!open) return;
      open = false;
      closeSync(stdout.writeEnd);
      closeSync(stderr.writeEnd);
    },
  };
}

function openPipe(path: string): { reader: Socket; writeEnd: number } {
  // The reader first: without one a writer would wait, and this way neither does. Reading needs the mode below.
  chmodSync(path, 0o600);
  const readEnd = openSync(path, O_RDONLY | O_NONBLOCK);
  const writeEnd = openSync(path, O_WRONLY);
  chmodSync(path, 0o200);
  return { reader: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
}
