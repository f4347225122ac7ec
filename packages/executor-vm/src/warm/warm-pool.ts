import { isDeepStrictEqual } from 'node:util';
import type { JobHost } from '../job/job-host.js';
import { type HandedOut, WarmMachine, type WarmShape } from './warm-machine.js';

/** What a first step mostly takes to begin, in milliseconds: a machine that is made meanwhile takes its processors. */
const firstStepMs = 1_000;

export interface WarmPoolSettings {
  readonly host: JobHost;
  /** Where the folders of jobs lie: those of waiting machines lie beside them. */
  readonly sandboxes: string;
  /** How many machines wait. */
  readonly size: number;
}

/**
 * Machines that wait for their job. They have the shape that the last job asked for, since the next one of a worker is
 * mostly like it; a job of another shape does not wait for them, and restores a machine of its own.
 */
export class WarmPool implements AsyncDisposable {
  readonly #settings: WarmPoolSettings;
  readonly #ready: WarmMachine[] = [];
  readonly #making = new Set<Promise<void>>();
  readonly #ending = new Set<Promise<void>>();
  /** Of those that wait, and of those that jobs have. */
  readonly #ids = new Set<string>();
  readonly #over = new AbortController();
  #wanted: WarmShape | undefined;
  #soon: NodeJS.Timeout | undefined;

  constructor(settings: WarmPoolSettings) {
    this.#settings = settings;
  }

  /** What is not to be swept: it runs, and is no sandbox by its name. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** How many wait now. */
  get ready(): number {
    return this.#ready.length;
  }

  /** A machine for a job of this shape, where one waits; its disk then lies at `disk`. The job ends it, and calls `ended`. */
  async take(shape: WarmShape, disk: string): Promise<HandedOut | undefined> {
    this.#wanted = shape;
    const at = this.#ready.findIndex((machine) => isDeepStrictEqual(machine.shape, shape));
    const [machine] = at < 0 ? [] : this.#ready.splice(at, 1);
    try {
      return await machine?.handOut(disk);
    } catch (error) {
      await machine?.[Symbol.asyncDispose]();
      this.#ids.delete(machine?.id ?? '');
      throw error;
    }
  }

  /** Nothing is left of a machine that a job had. */
  ended(id: string): void {
    this.#ids.delete(id);
  }

  /** Makes what is missing, in the background, once the job that has just been prepared is past its first step. */
  refillSoon(): void {
    this.#soon ??= setTimeout(() => this.#refill(), firstStepMs).unref();
  }

  #refill(): void {
    this.#soon = undefined;
    const { size, host } = this.#settings;
    const shape = this.#wanted;
    if (shape === undefined || this.#over.signal.aborted) return;
    for (const machine of this.#ready.filter((each) => !isDeepStrictEqual(each.shape, shape))) this.#end(machine);
    while (this.#ready.length + this.#making.size < size) {
      const making = this.#make(shape).catch((error: unknown) => {
        if (!this.#over.signal.aborted)
          host.log.warn({ error: String(error) }, 'No machine could be made ready for the next job');
      });
      this.#making.add(making);
      void making.then(() => this.#making.delete(making));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#soon);
    this.#over.abort(new Error('the executor is closed'));
    await Promise.all(this.#making);
    for (const machine of [...this.#ready]) this.#end(machine);
    await Promise.all(this.#ending);
  }

  async #make(shape: WarmShape): Promise<void> {
    const { host, sandboxes } = this.#settings;
    const machine = new WarmMachine(host, sandboxes, shape);
    this.#ids.add(machine.id);
    try {
      await machine.start(this.#over.signal);
      this.#over.signal.throwIfAborted();
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      this.#ids.delete(machine.id);
      throw error;
    }
    this.#ready.push(machine);
    // One that ends by itself is not given to a job.
    void machine.gone.then(() => this.#end(machine));
  }

  #end(machine: WarmMachine): void {
    const at = this.#ready.indexOf(machine);
    if (at < 0) return;
    this.#ready.splice(at, 1);
    const ending = machine[Symbol.asyncDispose]().then(
      () => void this.#ids.delete(machine.id),
      // Its folder and its group are found by the next sweep.
      (error: unknown) => {
        this.#ids.delete(machine.id);
        this.#settings.host.log.error({ error: String(error) }, 'A waiting machine could not be removed');
      },
    );
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }
}
