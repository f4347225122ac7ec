import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import { killConfined } from '@ritmo/host-linux';
import { seedOf } from '../guest/seed-program.js';
import type { RootImage } from '../image/root-image.js';
import { Control } from './control.js';
import { readLines } from './lines.js';
import { MarkedStream } from './marked-stream.js';
import { Monitor } from './monitor.js';
import { type MachineProcess, type MachineStart, startMachine } from './start.js';
import { descriptors } from './settings.js';

const restoreMs = 30_000;
const seedBytes = 64;
const mostSaid = 2_000;

/** One running QEMU, from its start to the end of its last process. */
export class Machine implements AsyncDisposable {
  readonly control: Control;
  readonly monitor: Monitor;
  readonly stdout: MarkedStream;
  readonly stderr: MarkedStream;
  readonly data: MarkedStream;
  /** Resolves when no process of it is left. */
  readonly gone: Promise<void>;
  readonly #process: MachineProcess;
  #said = '';
  #killed = false;

  constructor(start: MachineStart) {
    const running = startMachine(start);
    this.#process = running;
    this.control = new Control(running.control, start.shape.memory === 'template');
    this.monitor = new Monitor(running.monitor);
    this.stdout = new MarkedStream(running.stdout);
    this.stderr = new MarkedStream(running.stderr);
    this.data = new MarkedStream(running.data);
    readLines(
      running.errors,
      mostSaid,
      (line) => this.#hear(line),
      () => undefined,
    );
    running.life.resume();
    const left = new Promise<void>((resolve) => running.life.once('close', resolve));
    const reaped = running.child.pid === undefined ? Promise.resolve() : once(running.child, 'exit');
    this.gone = Promise.all([left, reaped]).then(() => this.control.close(this.#endError()));
    this.gone.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#process.child.pid;
  }

  /** Waits until the guest of a machine that boots says hello; rejects with what QEMU said. */
  async boot(signal: AbortSignal, ms: number): Promise<void> {
    const boot = async () => {
      await this.control.hello;
      await this.monitor.run('qmp_capabilities');
    };
    await this.#within(ms, signal, 'say hello', boot());
  }

  /** Loads the state of a template; returns once the guest answers. */
  async restore(signal: AbortSignal): Promise<void> {
    const load = async () => {
      await this.monitor.run('qmp_capabilities');
      const capabilities = [{ capability: 'x-ignore-shared', state: true }];
      await this.monitor.run('migrate-set-capabilities', { capabilities });
      await this.monitor.run('migrate-incoming', { uri: `fd:${descriptors.state}` });
      await this.control.ask('ping');
    };
    await this.#within(restoreMs, signal, 'come back from its template', load());
  }

  /** Gives the guest randomness of its own and the right time: before anything of a job runs in it. */
  async refresh(clock: Pick<Clock, 'now'>, signal: AbortSignal): Promise<void> {
    const refreshing = async () => {
      const seeded = this.control.ask('seed');
      await this.data.write(seedOf(randomBytes(seedBytes), clock.now()));
      await seeded;
    };
    await this.#within(restoreMs, signal, 'take its seed', refreshing());
  }

  /**
   * Does what a job will begin with, and undoes it: an emulator translates each piece of code when it first runs, which
   * is most of the time until a first step. No program of the image runs.
   */
  async rehearse(image: Pick<RootImage, 'fileSystem'>, clock: Pick<Clock, 'now'>, signal: AbortSignal): Promise<void> {
    await this.refresh(clock, signal);
    await this.#within(restoreMs, signal, 'rehearse', this.control.ask('rehearse', image.fileSystem));
  }

  /** Tells it that the file behind its disk has another size now. */
  async resizeDisk(size: number, signal: AbortSignal): Promise<void> {
    await this.#within(
      restoreMs,
      signal,
      'resize its disk',
      this.monitor.run('block_resize', { device: 'disk', size }),
    );
  }

  /** Ends it at once, and resolves when nothing of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#killed = true;
    const { child } = this.#process;
    killConfined(child);
    await this.gone;
    for (const stream of [child.stderr, ...child.stdio.slice(3)]) stream?.destroy();
  }

  async #within<T>(ms: number, signal: AbortSignal, what: string, work: Promise<T>): Promise<T> {
    work.catch(() => undefined);
    const over = new AbortController();
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(() => reject(this.#silent(what, ms)), ms);
      const stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { signal: over.signal });
      over.signal.addEventListener('abort', () => clearTimeout(timer));
      if (signal.aborted) stop();
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      over.abort();
    }
  }

  #hear(line: string): void {
    // A card without a cable is meant.
    if (!line.includes('has no peer')) this.#said = `${this.#said}${line}\n`.slice(-mostSaid);
  }

  #silent(what: string, ms: number): RitmoError {
    return new RitmoError('RITMO_SANDBOX_BROKEN', `The machine did not ${what} within ${Math.round(ms / 1_000)} s.`, {
      hint:
        this.#said.trim() === ''
          ? 'The host is overloaded, or the kernel does not run on it: `ritmo-agent vm prepare` tries it.'
          : `QEMU said: ${this.#said.trim().slice(-500)}`,
    });
  }

  #endError(): RitmoError {
    if (this.#killed) return new RitmoError('RITMO_SANDBOX_BROKEN', 'The machine was ended.');
    const { exitCode, signalCode } = this.#process.child;
    const said = this.#said.trim();
    const how = said === '' ? (signalCode ?? `code ${exitCode}`) : said.slice(-500);
    return new RitmoError('RITMO_SANDBOX_BROKEN', `The machine has ended by itself (${how}).`, {
      hint: 'A step powered it off, its kernel panicked, or QEMU failed.',
    });
  }
}
