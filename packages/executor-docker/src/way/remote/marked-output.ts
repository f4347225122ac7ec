import type { Answer, Shell } from '../../supervisor/supervisor.js';

const longestLine = 200;

/** What the shell around a step says at its end: a claim of the build. */
export interface StepEnd {
  readonly answer: Answer;
  /** Processes that the step left, and that were ended. */
  readonly stragglers: number;
  readonly oomKills: number;
  readonly refusedForks: number;
}

/**
 * Tells the lines of the shell around a step from what the step prints to stdout between them. Throws for what comes
 * before the first or after the last, and for what makes no sense.
 */
export class MarkedOutput {
  readonly #nonce: Buffer;
  readonly #pass: (bytes: Buffer) => void;
  readonly #shell: Shell;
  #held = Buffer.alloc(0);
  #state: 'head' | 'body' | 'tail' = 'head';
  #wrapper: number | undefined;
  #refused: 'no-folder' | 'no-program' | undefined;
  #end: StepEnd | undefined;

  constructor(nonce: string, shell: Shell, pass: (bytes: Buffer) => void) {
    this.#nonce = Buffer.from(`${nonce} `);
    this.#shell = shell;
    this.#pass = pass;
  }

  /** The shell around the step by the number that it has inside, once the program runs. */
  get wrapper(): number | undefined {
    return this.#wrapper;
  }

  /** Present once the last line has come. */
  get end(): StepEnd | undefined {
    return this.#end;
  }

  take(chunk: Buffer): void {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    if (this.#state === 'head') {
      const line = this.#line(rest);
      if (line === undefined) return;
      this.#begin(line.words);
      rest = line.rest;
      this.#state = 'body';
    }
    if (this.#state === 'body') {
      const at = rest.indexOf(this.#nonce);
      const passed = at < 0 ? rest.length - this.#beginning(rest) : at;
      if (passed > 0) this.#pass(rest.subarray(0, passed));
      rest = rest.subarray(passed);
      if (at < 0) {
        this.#held = Buffer.from(rest);
        return;
      }
      this.#state = 'tail';
    }
    if (this.#end !== undefined && rest.length > 0) throw new Error('something after the end of the step');
    const line = this.#line(rest);
    if (line === undefined) return;
    this.#end = this.#ended(line.words);
    if (line.rest.length > 0) throw new Error('something after the end of the step');
  }

  /** What was held back and turned out to be the step's own: for a step whose shell is gone. */
  flush(): void {
    if (this.#state === 'body' && this.#held.length > 0) this.#pass(this.#held);
    this.#held = Buffer.alloc(0);
  }

  /** How many bytes at the end may be the beginning of our last line. */
  #beginning(bytes: Buffer): number {
    for (let length = Math.min(bytes.length, this.#nonce.length - 1); length > 0; length--) {
      if (bytes.subarray(bytes.length - length).equals(this.#nonce.subarray(0, length))) return length;
    }
    return 0;
  }

  #line(bytes: Buffer): { readonly words: readonly string[]; readonly rest: Buffer } | undefined {
    const length = Math.min(bytes.length, this.#nonce.length);
    if (!bytes.subarray(0, length).equals(this.#nonce.subarray(0, length)))
      throw new Error('something that was not asked');
    const end = bytes.indexOf('\n');
    if (end > longestLine || (end < 0 && bytes.length > longestLine)) throw new Error('a line without end');
    if (end < 0) {
      this.#held = Buffer.from(bytes);
      return undefined;
    }
    const [, ...words] = bytes.subarray(0, end).toString('latin1').split(' ');
    return { words, rest: bytes.subarray(end + 1) };
  }

  #begin([what, pid = '', ...more]: readonly string[]): void {
    if (what === 'started' && /^\d{1,10}$/.test(pid) && more.length === 0) this.#wrapper = Number(pid);
    else if ((what === 'no-folder' || what === 'no-program') && pid === '') this.#refused = what;
    else throw new Error('something that makes no sense');
  }

  #ended([what, code = '', how = '', ...numbers]: readonly string[]): StepEnd {
    const [stragglers = '', oomKills = '', refusedForks = ''] = numbers;
    const known = what === 'ended' && /^(\d{1,3}|lost)$/.test(code) && (how === 'said' || how === 'silent');
    if (!known || numbers.length !== 3 || numbers.some((number) => !/^\d{1,9}$/.test(number))) {
      throw new Error('something that makes no sense');
    }
    const counts = { stragglers: Number(stragglers), oomKills: Number(oomKills), refusedForks: Number(refusedForks) };
    if (this.#refused !== undefined) return { answer: { kind: this.#refused }, ...counts };
    if (code === 'lost') return { answer: { kind: 'ended', signalled: true }, ...counts };
    const number = Number(code);
    // No shell says a word about SIGINT and SIGPIPE, and bash none about SIGTERM.
    const quiet = number === 130 || number === 141 || (number === 143 && this.#shell === 'bash');
    const signalled = number > 128 && (how === 'said' || quiet);
    return { answer: { kind: 'ended', code: number, signalled }, ...counts };
  }
}
