import type { Duplex } from 'node:stream';
import { RitmoError } from '@ritmo/agent-core/executor';
import { readLines } from './lines.js';

const longestLine = 1024 * 1024;

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

/** The monitor of QEMU (QMP). Commands are answered in their order; events are not listened to. */
export class Monitor {
  readonly #stream: Duplex;
  readonly #waiting: Array<{ resolve(value: unknown): void; reject(error: unknown): void; readonly name: string }> = [];
  #closed: RitmoError | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    readLines(
      stream,
      longestLine,
      (line) => this.#take(line),
      () => this.#close('QEMU said a line without end'),
    );
    stream.once('close', () => this.#close('QEMU ended'));
  }

  /** Rejects with RITMO_SANDBOX_BROKEN when QEMU refuses, or is gone. */
  async run(execute: string, args: object = {}): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject, name: execute });
      this.#stream.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  #take(line: string): void {
    let reply: Reply;
    try {
      reply = JSON.parse(line) as Reply;
    } catch {
      return this.#close('QEMU said what is no JSON');
    }
    if (reply.return === undefined && reply.error === undefined) return undefined;
    const waiting = this.#waiting.shift();
    if (reply.error === undefined) waiting?.resolve(reply.return);
    else waiting?.reject(broken(`QEMU refused ${waiting.name}: ${reply.error.desc ?? 'no reason given'}`));
    return undefined;
  }

  #close(why: string): void {
    this.#closed ??= broken(`${why}.`);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#closed);
  }
}

const broken = (message: string) => new RitmoError('RITMO_SANDBOX_BROKEN', message);
