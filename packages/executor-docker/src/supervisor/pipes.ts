import { execFile } from 'node:child_process';
import { chmodSync, chownSync, closeSync, constants, openSync, renameSync } from 'node:fs';
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Owner } from '@ritmo/host-linux';

const run = promisify(execFile);
/** What a FIFO holds, unless somebody makes it larger. */
const readBytes = 64 * 1024;
const names = ['control', 'status', 'stdout', 'stderr'] as const;

/**
 * The FIFOs between us and a supervisor. Both sides hold each for reading and writing, so neither sees an end, and
 * they are read through sockets: a read of a FIFO by the file calls of Node would block one of its few threads.
 */
export class Pipes implements Disposable {
  readonly control: Socket;
  readonly status: Socket;
  readonly #folder: string;
  readonly #outputs: { readonly stdout: number; readonly stderr: number };
  readonly #sockets: Socket[];
  readonly #opened = new Set<'stdout' | 'stderr'>();

  private constructor(folder: string) {
    this.#folder = folder;
    const open = (name: (typeof names)[number]) =>
      openSync(join(folder, name), constants.O_RDWR | constants.O_NONBLOCK);
    // A socket that may read does so at once, and would take what we write to the control FIFO.
    this.control = quiet(new Socket({ fd: open('control'), readable: false, writable: true }));
    this.status = quiet(new Socket({ fd: open('status'), readable: true, writable: true }));
    this.#outputs = { stdout: open('stdout'), stderr: open('stderr') };
    this.#sockets = [this.control, this.status];
  }

  /** Makes the FIFOs in a folder and opens them; the owner may use them too. */
  static async make(folder: string, owner: Owner | undefined): Promise<Pipes> {
    const paths = names.map((name) => join(folder, name));
    await run('mkfifo', ['-m', '600', ...paths], { timeout: 10_000 });
    for (const path of paths) {
      if (owner === undefined) chmodSync(path, 0o666);
      else chownSync(path, owner.uid, owner.gid);
    }
    return new Pipes(folder);
  }

  /** Opens those that another agent process has moved to the folder; nothing of the output is read before it is asked for. */
  static reopen(folder: string): Pipes {
    return new Pipes(folder);
  }

  /**
   * Takes the names away from where a container sees them: nobody there can open a FIFO by its path any more. `folder`
   * is in the same file system.
   */
  moveTo(folder: string): void {
    for (const name of names) renameSync(join(this.#folder, name), join(folder, name));
  }

  /**
   * Reads what is printed from now on, one chunk after the other into the same memory; `take` answers whether it may go
   * on with the next. The socket is resumed when it may again.
   */
  openOutput(name: 'stdout' | 'stderr', take: (bytes: Buffer) => boolean): Socket {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const callback = (length: number) => take(buffer.subarray(0, length));
    // The types do not know that the constructor takes `onread` as well. Source: net.html#new-netsocketoptions
    const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = {
      ...{ fd: this.#outputs[name], writable: true },
      onread: { buffer, callback },
    };
    const socket = quiet(new Socket(options));
    this.#opened.add(name);
    this.#sockets.push(socket);
    return socket;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const name of ['stdout', 'stderr'] as const) if (!this.#opened.has(name)) closeSync(this.#outputs[name]);
  }
}

/** It ends with the sandbox; what is wrong with it shows in what does not arrive. */
function quiet(socket: Socket): Socket {
  return socket.on('error', () => undefined);
}
