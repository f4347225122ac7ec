import { type Clock, RitmoError, type StopTarget } from '@ritmo/agent-core/executor';
import {
  type GroupView,
  innermostPid,
  isRunning,
  type ProcessInfo,
  readProcess,
  signalPid,
  signalProcess,
} from '@ritmo/host-linux';

const survivorMs = 10_000;

/** Sends a signal to processes of a container by the numbers that they have in it. */
export type InsideKill = (pids: readonly number[], signal: string) => Promise<void>;

/** A process that serves to run steps; what the `watcher`s start, which end the container in time, serves too. */
export type OwnProcess = Pick<ProcessInfo, 'pid' | 'startTime'> & { readonly watcher: boolean };

/** What runs in a container before its first step: an init, the supervisor below it, and below that the watchers. */
export function ownProcesses(pids: readonly number[]): OwnProcess[] {
  const all = pids.flatMap((pid) => readProcess(pid) ?? []);
  const parentOf = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const isSupervisor = (pid: number) =>
    parentOf.has(parentOf.get(pid) ?? 0) && !parentOf.has(parentOf.get(parentOf.get(pid) ?? 0) ?? 0);
  return all.map(({ pid, parent, startTime }) => ({ pid, startTime, watcher: isSupervisor(parent) }));
}

/** The processes of a container as its cgroup shows them to the host: nothing in it can hide from that. */
export class ContainerProcesses implements StopTarget<ProcessInfo> {
  readonly #group: GroupView;
  readonly #clock: Clock;
  readonly #insideKill: InsideKill | undefined;
  readonly #own: readonly OwnProcess[];
  started: () => boolean = () => true;

  /** `own` serve to run steps and are never counted; `insideKill` is needed where we may not signal them ourselves. */
  constructor(group: GroupView, own: readonly OwnProcess[], clock: Clock, insideKill: InsideKill | undefined) {
    this.#group = group;
    this.#own = own;
    this.#clock = clock;
    this.#insideKill = insideKill;
  }

  /** Whether the init and the supervisor still run. */
  get alive(): boolean {
    return this.#own.every(isRunning);
  }

  /** What runs of the present step. */
  running(): ProcessInfo[] {
    const own = new Set(this.#own.map(({ pid }) => pid));
    const watchers = new Set(this.#own.filter(({ watcher }) => watcher).map(({ pid }) => pid));
    return this.#group
      .processes()
      .filter((pid) => !own.has(pid))
      .flatMap((pid) => readProcess(pid) ?? [])
      .filter(({ state, parent }) => state !== 'Z' && state !== 'X' && !watchers.has(parent));
  }

  /** Not before the program runs: the shell that starts it would swallow the signal. */
  async signal(targets: readonly ProcessInfo[], signal: NodeJS.Signals): Promise<boolean> {
    if (targets.length === 0 || !this.started()) return false;
    await this.#send(targets, signal);
    return true;
  }

  async kill(): Promise<void> {
    await this.end();
  }

  /** Kills what serves to run steps, and with the init all of the container; false where only the daemon may. */
  endContainer(): boolean {
    if (this.#insideKill !== undefined) return false;
    for (const own of this.#own) signalProcess(own, 'SIGKILL');
    return true;
  }

  /** Ends all of the step, and resolves with the number of them when nothing is left. */
  async end(): Promise<number> {
    const ended = new Set<number>();
    const since = this.#clock.monotonic();
    for (;;) {
      const left = this.running();
      if (left.length === 0) return ended.size;
      for (const { pid } of left) ended.add(pid);
      await this.#send(left, 'SIGKILL');
      if (this.#clock.monotonic() - since > survivorMs) {
        throw new RitmoError('RITMO_SANDBOX_BROKEN', `Process ${left[0]?.pid} of the job survives SIGKILL.`);
      }
      await this.#clock.sleep(1);
    }
  }

  async #send(targets: readonly ProcessInfo[], signal: NodeJS.Signals): Promise<void> {
    if (this.#insideKill === undefined) {
      for (const target of targets) if (isRunning(target)) signalPid(target.pid, signal);
      return;
    }
    const inside = targets.flatMap(({ pid }) => innermostPid(pid) ?? []);
    await this.#insideKill(inside, signal.replace(/^SIG/, ''));
  }
}
