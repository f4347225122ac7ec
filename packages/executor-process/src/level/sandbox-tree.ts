import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import {
  descendantsOf,
  innermostPid,
  isRunning,
  type ProcessInfo,
  readProcess,
  signalAll,
  signalPid,
  signalProcess,
} from '@ritmo/host-linux';
import type { Started } from '../step/start.js';
import type { ProcessTree } from '../step/tree.js';

const survivorMs = 10_000;
const quickLooks = 50;
/** Bubblewrap keeps number 1 of the job's pid namespace for itself; the launcher is what it starts. */
const launcherPid = 2;

/** A command in a pid namespace: when its first process is gone, the kernel has ended all others before. */
export class SandboxTree implements ProcessTree {
  readonly #started: Started;
  readonly #clock: Clock;
  readonly #statusEnded: Promise<void>;
  #status = '';
  #init: ProcessInfo | undefined;
  #launcher: ProcessInfo | undefined;
  #over = false;

  constructor(started: Started, status: Readable, clock: Clock) {
    this.#started = started;
    this.#clock = clock;
    this.#statusEnded = this.#follow(status);
    void started.ended.then(() => (this.#over = true));
  }

  running(): ProcessInfo[] {
    const init = this.#init;
    if (init === undefined || !isRunning(init)) return [];
    const running = descendantsOf(init.pid);
    this.#launcher ??= running.find(({ parent, pid }) => parent === init.pid && innermostPid(pid) === launcherPid);
    return running.filter(({ pid }) => pid !== this.#launcher?.pid);
  }

  signal(running: readonly ProcessInfo[], signal: NodeJS.Signals): boolean {
    if (this.#launcher !== undefined) signalProcess(this.#launcher, signal);
    return signalAll(running, signal);
  }

  kill(): void {
    if (this.#init !== undefined) signalProcess(this.#init, 'SIGKILL');
    if (!this.#over && this.#started.pid !== undefined) signalPid(this.#started.pid, 'SIGKILL');
  }

  async clear(): Promise<number> {
    await this.#statusEnded;
    this.kill();
    const since = this.#clock.monotonic();
    let looks = 0;
    while (this.#init !== undefined && isRunning(this.#init)) {
      if (this.#clock.monotonic() - since > survivorMs) {
        throw new RitmoError('RITMO_SANDBOX_BROKEN', `Process ${this.#init.pid} of the sandbox survives SIGKILL.`);
      }
      // Mostly it is a matter of microseconds.
      await (looks++ < quickLooks ? nextTurn() : this.#clock.sleep(1));
    }
    // The launcher counted what was left; the kernel has ended it.
    return 0;
  }

  #follow(status: Readable): Promise<void> {
    return new Promise((resolve) => {
      status.on('data', (chunk: Buffer) => {
        this.#status += chunk.toString('latin1');
        if (this.#init !== undefined) return;
        const pid = /"child-pid":\s*(\d+)/.exec(this.#status)?.[1];
        if (pid !== undefined) this.#init = readProcess(Number(pid));
      });
      status.once('error', () => resolve());
      status.once('close', () => resolve());
    });
  }
}
