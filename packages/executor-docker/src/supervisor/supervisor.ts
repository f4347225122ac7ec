import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { RitmoError } from '@ritmo/agent-core/executor';

/** What a supervisor says of a command: a claim of the build like all that comes out of a container. */
export type Answer =
  | { readonly kind: 'no-folder' }
  | { readonly kind: 'no-program' }
  /** `code` is undefined when the shell that waited for the command was ended. */
  | { readonly kind: 'ended'; readonly code: number | undefined; readonly signalled: boolean };

const longestLine = 200;

/** Speaks with the supervisor of a container. Whatever is unknown, early, repeated or over-long breaks the sandbox. */
export class Supervisor {
  readonly #control: Socket;
  readonly #greeting = deferred<'bash' | 'other'>();
  readonly #broken = deferred<never>();
  #line = '';
  #greeted = false;
  #shell: 'bash' | 'other' = 'other';
  #request: Request | undefined;

  constructor(control: Socket, status: Socket) {
    this.#control = control;
    this.#broken.promise.catch(() => undefined);
    this.#greeting.promise.catch(() => undefined);
    status.on('data', (chunk: Buffer) => this.#read(chunk.toString('latin1')));
  }

  /** Rejects with RITMO_SANDBOX_BROKEN once the protocol was violated. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /** Resolves when the supervisor runs and holds its FIFOs. */
  get greeting(): Promise<unknown> {
    return this.#greeting.promise;
  }

  /** After an adoption: the greeting was said to another agent. */
  assumeGreeted(shell: 'bash' | 'other'): void {
    this.#greeted = true;
    this.#shell = shell;
  }

  /** Has a step file run. The answer is the last word about it; `started` may be asked meanwhile. */
  run(file: string): { readonly nonce: string; readonly answer: Promise<Answer>; readonly started: () => boolean } {
    const request: Request = { nonce: randomBytes(16).toString('hex'), started: false, ...deferred<Answer>() };
    this.#request = request;
    this.#control.write(`${request.nonce} ${file}\n`);
    return { nonce: request.nonce, answer: request.promise, started: () => request.started };
  }

  /** What comes later of the present request is a violation. */
  close(): void {
    this.#request = undefined;
  }

  #read(text: string): void {
    this.#line += text;
    for (let end = this.#line.indexOf('\n'); end >= 0; end = this.#line.indexOf('\n')) {
      const line = this.#line.slice(0, end);
      this.#line = this.#line.slice(end + 1);
      this.#take(line);
    }
    if (this.#line.length > longestLine) {
      this.#line = '';
      this.#violated('a line without end');
    }
  }

  #take(line: string): void {
    const words = line.split(' ');
    if (!this.#greeted) {
      const [hello, shell, folder] = words;
      if (hello !== 'hello' || words.length !== 3) return this.#violated('something before its greeting');
      this.#greeted = true;
      this.#shell = shell === 'bash' ? 'bash' : 'other';
      if (folder === 'private') this.#greeting.resolve(this.#shell);
      else
        this.#greeting.reject(
          new RitmoError('RITMO_SANDBOX_BROKEN', 'The user of the image cannot read its private folder.'),
        );
      return undefined;
    }
    const request = this.#request;
    if (request === undefined || words[0] !== request.nonce) return this.#violated('something that was not asked');
    const [, what, code = '', how] = words;
    if (what === 'started' && !request.started && words.length === 2) {
      request.started = true;
      return undefined;
    }
    if ((what === 'no-folder' || what === 'no-program') && !request.started && words.length === 2) {
      request.refused = what;
      return undefined;
    }
    if (what === 'ended' && /^(\d{1,3}|lost)$/.test(code) && (how === 'said' || how === 'silent')) {
      this.#request = undefined;
      request.resolve(this.#ended(request, code, how === 'said'));
      return undefined;
    }
    return this.#violated('something that makes no sense');
  }

  #ended(request: Request, code: string, said: boolean): Answer {
    if (request.refused !== undefined && !request.started) return { kind: request.refused };
    if (code === 'lost') return { kind: 'ended', code: undefined, signalled: true };
    const number = Number(code);
    // No shell says a word about SIGINT and SIGPIPE, and bash none about SIGTERM.
    const quiet = number === 130 || number === 141 || (number === 143 && this.#shell === 'bash');
    return { kind: 'ended', code: number, signalled: number > 128 && (said || quiet) };
  }

  #violated(what: string): void {
    const error = new RitmoError('RITMO_SANDBOX_BROKEN', `The supervisor of the container said ${what}.`, {
      hint: 'A step has tampered with it; the outcome of the job cannot be known.',
    });
    this.#broken.reject(error);
    this.#greeting.reject(error);
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

interface Request extends Deferred<Answer> {
  readonly nonce: string;
  started: boolean;
  refused?: 'no-folder' | 'no-program';
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
