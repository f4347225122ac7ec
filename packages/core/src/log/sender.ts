import { type AppendAnswer, type CancelOrder, maxAppendBytes, type Seal } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { Lease, Transport } from '../transport/transport.js';
import type { LogSource } from './spool.js';

/** Times that the server may go back without coming further than before: then it goes in circles. */
const mostRewinds = 8;
/** Times that a seal may be answered with an offset. */
const mostSealTries = 3;
const leastReadBytes = 512 * 1024;

export interface LogSenderOptions {
  readonly source: LogSource;
  readonly transport: Pick<Transport, 'appendLog' | 'logOffset' | 'sealLog'>;
  readonly lease: Lease;
  /** Aborted when nothing of this build is to be sent any more. */
  readonly signal: AbortSignal;
  /** A cancel that came with an answer; told once for each that differs from the one before. */
  readonly onCancel?: (order: CancelOrder) => void;
  /** Asks the server where to go on, after a restart of the agent. */
  readonly resume?: boolean;
}

interface Settle {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Sends the log of one build in order: at once when nothing is under way, and all that waits when an answer came. */
export class LogSender {
  /** Resolves when the log is sealed. Rejects with the first final error; nobody has to look. */
  readonly done: Promise<void>;
  readonly #options: LogSenderOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #sending: Promise<void>;
  readonly #settle: Settle;
  #offset = 0;
  #furthest = 0;
  #rewinds = 0;
  #sealed = false;
  #order = '';
  #finishing = false;
  /** How much is read at once: what the line takes now, and room for more. */
  #readBytes: number = maxAppendBytes;

  constructor(options: LogSenderOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    let settle: Settle | undefined;
    this.done = new Promise((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.#settle = settle as unknown as Settle;
    this.done.catch(() => undefined);
    this.#sending = this.#begin();
    this.#sending.catch((error: unknown) => this.#settle.reject(error));
  }

  /** Bytes that the server is known to have. */
  get sent(): number {
    return this.#furthest;
  }

  /** Resolves when everything is sent and sealed; the source must have ended. Rejects as `done` does, or with the signal's reason. */
  finish(seal: Seal, signal?: AbortSignal): Promise<void> {
    if (!this.#finishing) {
      this.#finishing = true;
      this.#finish(seal).then(this.#settle.resolve, this.#settle.reject);
    }
    if (signal !== undefined) this.#stopWith(signal);
    return this.done;
  }

  #stopWith(signal: AbortSignal): void {
    const abort = (): void => this.#stop.abort(signal.reason);
    const forget = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    this.done.then(forget, forget);
    if (signal.aborted) abort();
  }

  async #begin(): Promise<void> {
    const { transport, lease, resume } = this.#options;
    if (resume === true) this.#goOnAt(await transport.logOffset(lease, this.#signal));
    await this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { source } = this.#options;
    while (!this.#sealed && (await source.more(this.#offset, this.#signal))) {
      const bytes = await source.read(this.#offset, this.#readBytes);
      const answer = await this.#append(bytes);
      if (answer === undefined) return;
      const taken = answer.next - this.#offset;
      const wanted = taken < bytes.length ? 2 * taken : maxAppendBytes;
      this.#readBytes = Math.min(maxAppendBytes, Math.max(leastReadBytes, wanted));
      this.#goOnAt(answer.next);
    }
  }

  /** Undefined where the log is sealed already: an earlier seal whose answer was lost. */
  async #append(bytes: Uint8Array): Promise<AppendAnswer | undefined> {
    const { transport, lease } = this.#options;
    try {
      const answer = await transport.appendLog(lease, this.#offset, bytes, this.#signal);
      this.#tellCancel(answer.cancel);
      return answer;
    } catch (error) {
      if (!(error instanceof RitmoError) || error.code !== 'RITMO_SEALED') throw error;
      this.#sealed = true;
      return undefined;
    }
  }

  /** Goes where the server wants to go on: back to what it lost, or over what it has. */
  #goOnAt(next: number): void {
    if (next > this.#furthest) {
      this.#furthest = next;
      this.#rewinds = 0;
    } else if (next <= this.#offset && ++this.#rewinds > mostRewinds) {
      throw new RitmoError('RITMO_LOG_GAP', `The server asks for byte ${next} of the log again and again.`);
    }
    // Only after a power loss: what was sent is no longer here.
    this.#options.source.padTo(next);
    this.#offset = next;
  }

  #tellCancel(order: CancelOrder | undefined): void {
    if (order === undefined) return;
    const text = `${order.reason} ${order.graceMs}`;
    if (text === this.#order) return;
    this.#order = text;
    this.#options.onCancel?.(order);
  }

  async #finish(seal: Seal): Promise<void> {
    const { transport, lease } = this.#options;
    await this.#sending;
    for (let tries = 0; tries < mostSealTries; tries++) {
      const answer = await this.#seal(() => transport.sealLog(lease, seal, this.#signal));
      if (answer === undefined) return;
      this.#furthest = 0;
      this.#goOnAt(answer.next);
      await this.#sendAll();
    }
    throw new RitmoError(
      'RITMO_LOG_MISMATCH',
      'The server does not take the log as it is, sent again from where it asked.',
    );
  }

  async #seal(
    call: () => Promise<{ readonly next: number } | undefined>,
  ): Promise<{ readonly next: number } | undefined> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof RitmoError && error.code === 'RITMO_SEALED') return undefined;
      throw error;
    }
  }
}
