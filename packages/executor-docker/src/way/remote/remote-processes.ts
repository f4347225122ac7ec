import type { Socket } from 'node:net';
import { RitmoError, type StopTarget } from '@ritmo/agent-core/executor';
import type { RemoteCalls, SeenProcess } from '../../docker/remote-calls.js';
import { Frames } from './frames.js';
import { bytesOf } from './script-text.js';
import { type OwnPids, signalScript } from './scripts.js';

const callMs = 20_000;
/** So many more processes may be there while one of ours ends the others. */
const reservedPids = 16;
const longestAnswer = 64 * 1024;

export interface RemoteProcessesSettings {
  readonly calls: RemoteCalls;
  readonly container: string;
  readonly own: OwnPids;
  readonly pidsLimit: number;
}

/** The processes of a container: signalled by a command beside them, counted by the daemon, which nothing in it can deceive. */
export class RemoteProcesses implements StopTarget<'step'> {
  readonly #settings: RemoteProcessesSettings;
  /** What the daemon saw before the first step: init, keeper and watcher, and what belongs to the watcher. */
  readonly #own: ReadonlySet<number>;
  /** Of those the one whose children are ours too. */
  readonly #watcher: number | undefined;
  /** The shell around the step that runs, inside; undefined before its program runs. */
  wrapper: () => number | undefined = () => undefined;
  #ended = true;

  private constructor(settings: RemoteProcessesSettings, seen: readonly SeenProcess[]) {
    const init = seen.find(({ parent }) => !seen.some(({ pid }) => pid === parent))?.pid;
    const keeper = seen.find(({ parent }) => parent === init)?.pid;
    this.#settings = settings;
    this.#own = new Set(seen.map(({ pid }) => pid));
    this.#watcher = seen.find(({ parent }) => parent === keeper)?.pid;
  }

  static async look(settings: RemoteProcessesSettings): Promise<RemoteProcesses> {
    const { calls, container } = settings;
    const seen = await calls.processes(container, AbortSignal.timeout(callMs));
    return new RemoteProcesses(settings, seen ?? []);
  }

  begin(wrapper: () => number | undefined): void {
    this.wrapper = wrapper;
    this.#ended = false;
  }

  over(): void {
    this.#ended = true;
    this.wrapper = () => undefined;
  }

  running(): readonly 'step'[] {
    return this.#ended ? [] : ['step'];
  }

  /** Not before the program runs: the shell that starts it would swallow the signal. */
  async signal(_running: readonly 'step'[], signal: string): Promise<boolean> {
    const wrapper = this.wrapper();
    return wrapper !== undefined && (await this.#send(signal.replace(/^SIG/, ''), wrapper));
  }

  async kill(): Promise<void> {
    await this.#send('KILL', this.wrapper());
  }

  /** What runs beside our own, as the daemon's host sees it; undefined where the daemon cannot tell. */
  async seen(): Promise<SeenProcess[] | undefined> {
    const { calls, container } = this.#settings;
    const all = await calls.processes(container, AbortSignal.timeout(callMs));
    return all?.filter(
      ({ pid, parent, state }) => !this.#own.has(pid) && parent !== this.#watcher && !/^[ZX]/.test(state),
    );
  }

  /** Ends all that is left; rejects with RITMO_SANDBOX_BROKEN where something survives. */
  async end(): Promise<void> {
    for (let round = 0; round < 5; round++) {
      const left = await this.seen();
      if (left?.length === 0 || (left === undefined && round > 0)) return;
      await this.#send('KILL', undefined);
    }
    throw new RitmoError('RITMO_SANDBOX_BROKEN', 'Processes of the job survive SIGKILL.', {
      hint: 'A step has replaced the shell of its image.',
    });
  }

  /** Whether it reached one. With all processes taken, a few more are allowed for the while. */
  async #send(signal: string, spared: number | undefined): Promise<boolean> {
    const { calls, container, own, pidsLimit } = this.#settings;
    const script = signalScript(signal, spared, own);
    await calls.setPidsLimit(container, pidsLimit + reservedPids);
    try {
      return (await runScript(calls, container, script)).includes('reached');
    } finally {
      await calls.setPidsLimit(container, pidsLimit);
    }
  }
}

/** Runs a script of ours in a container; resolves with what it printed to stdout. */
export async function runScript(calls: RemoteCalls, container: string, script: string): Promise<string> {
  const signal = AbortSignal.timeout(callMs);
  const socket: Socket = await calls.exec(container, ['/bin/sh'], signal);
  let text = '';
  const frames = new Frames((name, bytes) => {
    if (name === 'stdout') text = `${text}${bytes.toString('latin1')}`.slice(0, longestAnswer);
  });
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.on('data', (chunk: Buffer) => {
        try {
          frames.take(chunk);
        } catch (error) {
          reject(error);
        }
      });
      socket.once('end', resolve).once('close', resolve);
      socket.write(bytesOf(script));
    });
    signal.throwIfAborted();
    return text;
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}
