import { execFile } from 'node:child_process';
import { chmodSync, chownSync, constants, openSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

const run = promisify(execFile);
const names = ['control', 'status', 'stdout', 'stderr'] as const;

/**
 * The FIFOs between us and a supervisor. Both sides hold each for reading and writing, so neither sees an end, and
 * they are read through sockets: a read of a FIFO by the file calls of Node would block one of its few threads.
 */
export class Pipes implements Disposable {
  readonly control: Socket;
  readonly status: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly #folder: string;

  private constructor(folder: string, pathOf: (name: (typeof names)[number]) => string) {
    this.#folder = folder;
    // A socket that may read does so at once, and would take what we write to the control FIFO.
    this.control = openFifo(pathOf('control'), false);
    this.status = openFifo(pathOf('status'), true);
    this.stdout = openFifo(pathOf('stdout'), true);
    this.stderr = openFifo(pathOf('stderr'), true);
  }

  /** Makes the FIFOs in a folder and opens them; the owner may use them too. */
  static async make(folder: string, owner: Owner | undefined): Promise<Pipes> {
    const paths = names.map((name) => join(folder, name));
    await run('mkfifo', ['-m', '600', ...paths], { timeout: 10_000 });
    for (const path of paths) {
      if (owner === undefined) chmodSync(path, 0o666);
      else chownSync(path, owner.uid, owner.gid);
    }
    return new Pipes(folder, (name) => join(folder, name));
  }

  /** Takes the names away: nobody can open a FIFO by its path any more. */
  unlink(): void {
    for (const name of names) unlinkSync(join(this.#folder, name));
  }

  [Symbol.dispose](): void {
    for (const name of names) this[name].destroy();
  }
}

function openFifo(path: string, readable: boolean): Socket {
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable, writable: true });
  // It ends with the sandbox; what is wrong with it shows in what does not arrive.
  socket.on('error', () => undefined);
  return socket;
}
