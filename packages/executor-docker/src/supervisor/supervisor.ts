import type { Socket } from 'node:net';
import { RitmoError } from '@ritmo/agent-core/executor';

/** What a supervisor says of a command: a claim of the build like all that comes out of a container. */
export type Answer =
  | { readonly kind: 'no-folder' }
  | { readonly kind: 'no-program' }
  /** `code` is undefined when the shell that waited for the command was ended. */
  | { readonly kind: 'ended'; readonly code?: number; readonly signalled: boolean };

/** What a POSIX shell of an image is, as far as its words differ. */
export type Shell = 'bash' | 'other';

/** A command that was asked for. */
export interface Asked {
  readonly nonce: string;
  /** The last word about it. */
  readonly answer: Promise<Answer>;
  readonly started: () => boolean;
}

const longestLine = 200;

/** Speaks with the supervisor of a container. Whatever is unknown, early, repeated or over-long breaks the sandbox. */
export class Supervisor {
  readonly #control: Socket;
  readonly #greeting = deferred<Shell>();
  readonly #broken = deferred<never>();
  #line = '';
  #greeted = false;
  #shell: Shell = 'other';
  #request: Request | undefined;
  /** Its end may be heard before anybody resumes it. */
  #takenOver: Request | undefined;
  #again: Again | undefined;

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
  get greeting(): Promise<Shell> {
    return this.#greeting.promise;
  }

  /**
   * For one that greeted another agent: `again` names our question after its last answer, which may have been asked
   * `times` in all. `nonce` is the request that may be under way.
   */
  takeOver(shell: Shell, again: string, times: number, nonce: string | undefined): void {
    this.#greeted = true;
    this.#shell = shell;
    this.#again = { nonce: again, left: times, ...deferred<readonly string[]>() };
    if (nonce === undefined) return;
    this.#takenOver = { nonce, started: false, ...deferred<Answer>() };
    this.#request = this.#takenOver;
  }

  /**
   * After `takeOver`: the request that is under way. What the agent before has heard of it is asked for again; where the
   * supervisor never saw it, it is made now.
   */
  resume(nonce: string, file: string): Asked {
    const request = this.#takenOver;
    const again = this.#again;
    if (request?.nonce !== nonce || again === undefined) throw new Error('The request was not taken over.');
    this.#control.write(`${again.nonce} again\n`);
    again.promise.then(
      ([last, , code = '', how]) => {
        if (this.#request !== request) return;
        if (last === nonce) this.#end(request, code, how === 'said');
        else this.#control.write(`${nonce} ${file}\n`);
      },
      () => undefined,
    );
    // It may have been heard by the agent before: then no start is to be waited for.
    return { nonce, answer: request.promise, started: () => true };
  }

  /** Has a step file run under a nonce of its own. */
  run(nonce: string, file: string): Asked {
    const request: Request = { nonce, started: false, ...deferred<Answer>() };
    this.#request = request;
    this.#control.write(`${nonce} ${file}\n`);
    return { nonce, answer: request.promise, started: () => request.started };
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
    const again = this.#again;
    if (again !== undefined && words[0] === again.nonce) return this.#heardAgain(again, words.slice(1));
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
    if (what === 'ended' && isEnd(code, how)) {
      this.#end(request, code, how === 'said');
      return undefined;
    }
    return this.#violated('something that makes no sense');
  }

  #heardAgain(again: Again, [what, ...last]: readonly string[]): void {
    const [nonce, ended, code = '', how] = last;
    const known = nonce === 'none' ? last.length === 1 : ended === 'ended' && isEnd(code, how) && last.length === 4;
    if (what !== 'last' || !known || again.left === 0) return this.#violated('something that makes no sense');
    again.left -= 1;
    return again.resolve(last);
  }

  #end(request: Request, code: string, said: boolean): void {
    this.#request = undefined;
    request.resolve(this.#ended(request, code, said));
  }

  #ended(request: Request, code: string, said: boolean): Answer {
    if (request.refused !== undefined && !request.started) return { kind: request.refused };
    if (code === 'lost') return { kind: 'ended', signalled: true };
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

const isEnd = (code: string, how: string | undefined) =>
  /^(\d{1,3}|lost)$/.test(code) && (how === 'said' || how === 'silent');

/** The question after the last answer; agents that were killed may have left some of its answers unread. */
interface Again extends Deferred<readonly string[]> {
  readonly nonce: string;
  left: number;
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
