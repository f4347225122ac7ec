import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import {
  findByEnvironment,
  findByUser,
  listProcesses,
  type ProcessInfo,
  signalAll,
  signalPid,
  signalProcess,
} from '@ritmo/host-linux';
import { isRoot } from '../job/user.js';
import type { Started } from '../step/start.js';
import type { ProcessTree } from '../step/tree.js';
import type { JobView } from './level.js';

const survivorMs = 10_000;

/**
 * A command without a namespace: its process group, what carries the job's mark in its environment, and, when the
 * agent is root, what runs as the job's user. What leaves the group and clears its environment is found only then.
 */
export class BareTree implements ProcessTree {
  readonly #job: JobView;
  readonly #started: Started;
  /** Whether what was started keeps the deadline, and the launcher is its child. */
  readonly #timed: boolean;
  readonly #clock: Clock;
  #over = false;

  constructor(job: JobView, started: Started, timed: boolean, clock: Clock) {
    this.#job = job;
    this.#started = started;
    this.#timed = timed;
    this.#clock = clock;
    void started.ended.then(() => (this.#over = true));
  }

  running(): ProcessInfo[] {
    const { pid } = this.#started;
    return findMarked(this.#job, pid).filter((info) => info.pid !== pid && !this.#isLauncher(info));
  }

  signal(running: readonly ProcessInfo[], signal: NodeJS.Signals): boolean {
    const { pid } = this.#started;
    if (pid !== undefined && !this.#over) {
      const launcher = this.#timed ? findMarked(this.#job, pid).find((info) => this.#isLauncher(info))?.pid : pid;
      if (launcher !== undefined) signalPid(launcher, signal);
    }
    return signalAll(running, signal);
  }

  kill(): void {
    const { pid } = this.#started;
    if (pid === undefined) return;
    this.#job.group?.kill();
    for (const target of this.running()) signalProcess(target, 'SIGKILL');
    if (!this.#over) signalPid(-pid, 'SIGKILL');
  }

  async clear(): Promise<number> {
    const ended = new Set<number>();
    // The group outlives its leader; without /proc it is all that can be reached.
    if (this.#started.pid !== undefined && process.platform !== 'linux') signalPid(-this.#started.pid, 'SIGKILL');
    const since = this.#clock.monotonic();
    for (;;) {
      const left = this.running();
      if (left.length === 0) return ended.size;
      for (const target of left) {
        ended.add(target.pid);
        signalProcess(target, 'SIGKILL');
      }
      if (this.#clock.monotonic() - since > survivorMs) {
        throw new RitmoError('RITMO_SANDBOX_BROKEN', `Process ${left[0]?.pid} of the job survives SIGKILL.`);
      }
      await this.#clock.sleep(1);
    }
  }

  #isLauncher({ parent }: ProcessInfo): boolean {
    return this.#timed && parent === this.#started.pid;
  }
}

/** Processes of a job that run: by its user where that is the job's alone, else by group and mark. */
export function findMarked(job: Pick<JobView, 'mark' | 'user'>, group?: number): ProcessInfo[] {
  const found = new Map<number, ProcessInfo>();
  const add = (infos: ProcessInfo[]) => infos.forEach((info) => found.set(info.pid, info));
  // Without new privileges nothing of a job can become another user, and nobody else is this one.
  if (isRoot() && job.user.uid > 0) return findByUser(job.user.uid);
  if (group !== undefined) {
    add(listProcesses().filter((info) => info.group === group && info.state !== 'Z' && info.state !== 'X'));
  }
  add(findByEnvironment(job.mark));
  return [...found.values()];
}
