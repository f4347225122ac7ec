import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import {
  innermostPid,
  isRunning,
  type ProcessCgroup,
  type ProcessInfo,
  readProcess,
  signalPid,
} from '@ritmo/host-linux';

const survivorMs = 10_000;

/** Sends a signal to processes of a container by the numbers that they have in it. */
export type InsideKill = (pids: readonly number[], signal: string) => Promise<void>;

/** The processes of a container as its cgroup shows them to the host: nothing in it can hide from that. */
export class ContainerProcesses {
  readonly #cgroup: ProcessCgroup;
  readonly #clock: Clock;
  readonly #insideKill: InsideKill | undefined;
  readonly #own: readonly ProcessInfo[];
  started: () => boolean = () => true;

  /** `own` serve to run steps and are never counted; `insideKill` is needed where we may not signal them ourselves. */
  constructor(cgroup: ProcessCgroup, own: readonly ProcessInfo[], clock: Clock, insideKill: InsideKill | undefined) {
    this.#cgroup = cgroup;
    this.#own = own;
    this.#clock = clock;
    this.#insideKill = insideKill;
  }

  /** Whether the init and the supervisor still run. */
  get alive(): boolean {
    return this.#own.every(isRunning);
  }

  /** What runs of the present step. */
  ofStep(): ProcessInfo[] {
    const own = new Set(this.#own.map(({ pid }) => pid));
    return (this.#cgroup.processes() ?? [])
      .filter((pid) => !own.has(pid))
      .flatMap((pid) => readProcess(pid) ?? [])
      .filter(({ state }) => state !== 'Z' && state !== 'X');
  }

  async signal(targets: readonly ProcessInfo[], signal: NodeJS.Signals): Promise<void> {
    if (targets.length === 0) return;
    if (this.#insideKill === undefined) {
      for (const target of targets) if (isRunning(target)) signalPid(target.pid, signal);
      return;
    }
    const inside = targets.flatMap(({ pid }) => innermostPid(pid) ?? []);
    await this.#insideKill(inside, signal.replace(/^SIG/, ''));
  }

  /** Ends all of the step, and resolves with the number of them when nothing is left. */
  async end(): Promise<number> {
    const ended = new Set<number>();
    const since = this.#clock.monotonic();
    for (;;) {
      const left = this.ofStep();
      if (left.length === 0) return ended.size;
      for (const { pid } of left) ended.add(pid);
      await this.signal(left, 'SIGKILL');
      if (this.#clock.monotonic() - since > survivorMs) {
        throw new RitmoError('RITMO_SANDBOX_BROKEN', `Process ${left[0]?.pid} of the job survives SIGKILL.`);
      }
      await this.#clock.sleep(1);
    }
  }
}
