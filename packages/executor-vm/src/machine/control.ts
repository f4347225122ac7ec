import type { Duplex } from 'node:stream';
import { RitmoError } from '@ritmo/agent-core/executor';
import { readLines } from './lines.js';

const longestLine = 1_000;

/** How a step ended, as the guest tells it: a claim of the job like all that comes out of a machine. */
export interface StepEnd {
  readonly kind: 'ended';
  /** Undefined when what waited for the step was ended itself. */
  readonly code: number | undefined;
  readonly signalled: boolean;
  readonly stragglers: number;
  readonly outOfMemoryKills: number;
  readonly refusedForks: number;
  /** What was free on the job's disk when the step failed. */
  readonly free?: { readonly blocks: number; readonly files: number };
}
export type StepAnswer = StepEnd | { readonly kind: 'no-folder' | 'no-program' };

interface Pending {
  readonly expects: 'done' | 'shell' | 'signalled' | 'step';
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  started?: boolean;
  refused?: 'no-folder' | 'no-program';
}

/**
 * Speaks with the guest, one line a request and an answer. What is unknown, early, repeated, not asked for or over-long
 * breaks the sandbox.
 */
export class Control {
  readonly #stream: Duplex;
  readonly #pending = new Map<number, Pending>();
  readonly #hello = deferred<void>();
  #last = 0;
  #greeted: boolean;
  #failure: RitmoError | undefined;

  /** `greeted`: the guest is one that was saved after it had said hello. */
  constructor(stream: Duplex, greeted: boolean) {
    this.#stream = stream;
    this.#greeted = greeted;
    this.#hello.promise.catch(() => undefined);
    readLines(
      stream,
      longestLine,
      (line) => this.#take(line),
      () => this.#violated('a line without end'),
    );
  }

  /** Resolves with the guest's hello. */
  get hello(): Promise<void> {
    return this.#hello.promise;
  }

  /** Resolves when the guest says that it is done; rejects with its words when it failed. */
  async ask(what: string, ...words: ReadonlyArray<string | number>): Promise<void> {
    await this.#request('done', what, words);
  }

  /** The first bytes of the image's /bin/sh, in hex; empty where there is none. */
  async shell(): Promise<string> {
    return (await this.#request('shell', 'inspect', [])) as string;
  }

  /** Sends a signal to all of the step that runs; resolves with how many processes got it. */
  async stop(signal: string): Promise<number> {
    return (await this.#request('signalled', 'stop', [signal])) as number;
  }

  /** Runs the command that is sent behind it. */
  run(...words: ReadonlyArray<string | number>): {
    readonly answer: Promise<StepAnswer>;
    readonly started: () => boolean;
  } {
    const number = this.#last + 1;
    const answer = this.#request('step', 'run', words) as Promise<StepAnswer>;
    const pending = this.#pending.get(number);
    return { answer, started: () => pending?.started === true };
  }

  /** A line that nobody answers. */
  tell(what: string): void {
    this.#last += 1;
    this.#stream.write(`${what} ${this.#last}\n`);
  }

  /** Nothing is asked or believed any more. */
  close(error: RitmoError): void {
    this.#failure ??= error;
    this.#hello.reject(this.#failure);
    for (const { reject } of this.#pending.values()) reject(this.#failure);
    this.#pending.clear();
  }

  #request(expects: Pending['expects'], what: string, words: ReadonlyArray<string | number>): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#last += 1;
    const number = this.#last;
    const { promise, resolve, reject } = deferred<unknown>();
    promise.catch(() => undefined);
    this.#pending.set(number, { expects, resolve, reject });
    this.#stream.write(`${[what, number, ...words].join(' ')}\n`);
    return promise;
  }

  #take(line: string): void {
    if (this.#failure !== undefined) return undefined;
    const [what = '', ...words] = line.split(' ');
    if (!this.#greeted) {
      if (what !== 'hello') return this.#violated('something before its hello');
      this.#greeted = true;
      return this.#hello.resolve();
    }
    const number = Number(words[0]);
    const pending = /^\d{1,10}$/.test(words[0] ?? '') ? this.#pending.get(number) : undefined;
    if (pending === undefined) return this.#violated('something that was not asked');
    const answer = understand(pending, what, words.slice(1));
    if (answer === undefined) return this.#violated('something that makes no sense');
    if (answer === 'later') return undefined;
    this.#pending.delete(number);
    if ('failure' in answer) pending.reject(failed(answer.failure));
    else pending.resolve(answer.value);
    return undefined;
  }

  #violated(what: string): void {
    this.close(
      new RitmoError('RITMO_SANDBOX_BROKEN', `The machine said ${what}.`, {
        hint: 'A step has tampered with it; the outcome of the job cannot be known.',
      }),
    );
  }
}

type Understood = 'later' | { readonly value: unknown } | { readonly failure: string };

function understand(pending: Pending, what: string, words: readonly string[]): Understood | undefined {
  const { expects } = pending;
  if (what === 'failed' && expects !== 'step') return { failure: words.join(' ') };
  if (expects === 'done') return what === 'done' && words.length === 0 ? { value: undefined } : undefined;
  const [first = ''] = words;
  if (expects === 'shell') return what === 'shell' && /^[\da-f]{0,40}$/.test(first) ? { value: first } : undefined;
  if (expects === 'signalled')
    return what === 'signalled' && /^\d{1,7}$/.test(first) ? { value: Number(first) } : undefined;
  return understandStep(pending, what, words);
}

function understandStep(pending: Pending, what: string, words: readonly string[]): Understood | undefined {
  if (what === 'started' && words.length === 0 && pending.started !== true && pending.refused === undefined) {
    pending.started = true;
    return 'later';
  }
  const [first = '', how = '', ...rest] = words;
  if (what === 'refused' && pending.started !== true && (first === 'no-folder' || first === 'no-program')) {
    pending.refused = first;
    return 'later';
  }
  const numbers = rest.slice(0, 3);
  if (what !== 'ended' || !/^(\d{1,3}|lost)$/.test(first) || !['said', 'silent'].includes(how)) return undefined;
  if (numbers.length !== 3 || !numbers.every((text) => /^\d{1,9}$/.test(text))) return undefined;
  if (pending.refused !== undefined) return { value: { kind: pending.refused } };
  const [stragglers = 0, outOfMemoryKills = 0, refusedForks = 0] = numbers.map(Number);
  const [blocks, files] = rest.slice(3);
  const code = first === 'lost' ? undefined : Number(first);
  const end: StepEnd = {
    kind: 'ended',
    code,
    // No shell says a word about SIGINT and SIGPIPE.
    signalled: code === undefined || (code > 128 && (how === 'said' || code === 130 || code === 141)),
    stragglers,
    outOfMemoryKills,
    refusedForks,
    ...(files === undefined ? {} : { free: { blocks: Number(blocks), files: Number(files) } }),
  };
  return { value: end };
}

function failed(why: string): RitmoError {
  return new RitmoError('RITMO_SANDBOX_BROKEN', `The machine could not do what it was asked: ${why.slice(0, 300)}`);
}

function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
