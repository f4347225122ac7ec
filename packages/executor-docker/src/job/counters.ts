import type { LimitHit } from '@ritmo/agent-core/executor';
import type { GroupEvents, GroupUsage, GroupView } from '@ritmo/host-linux';

/** Of one container since it was started. JSON. */
export type Counts = GroupUsage & GroupEvents;

/** What a container has used and which of its limits it ran into, as the host counts it. */
export class Counters {
  readonly #group: GroupView;
  readonly #isDiskFull: () => boolean;
  #last: Counts;
  #taken: Counts;
  #diskWasFull = false;

  /** `taken` is what it had counted when the step began that still runs. */
  constructor(group: GroupView, isDiskFull: () => boolean, taken?: Counts) {
    this.#group = group;
    this.#isDiskFull = isDiskFull;
    this.#last = { ...group.usage(), ...group.events() };
    this.#taken = taken ?? this.#last;
  }

  get taken(): Counts {
    return this.#taken;
  }

  get cpuMs(): number {
    this.sample();
    return this.#last.cpuMs ?? 0;
  }

  get memoryPeakBytes(): number | undefined {
    this.sample();
    return this.#last.memoryPeakBytes;
  }

  /** More was counted on the disk than the step may use. */
  diskIsOver(): void {
    this.#diskWasFull = true;
  }

  sample(): void {
    const now = { ...this.#group.usage(), ...this.#group.events() };
    // Once the cgroup is gone there is nothing more to learn.
    if (now.cpuMs !== undefined) this.#last = now;
    this.#diskWasFull ||= this.#isDiskFull();
  }

  /** The limit that was run into since the last call. */
  take(): LimitHit | undefined {
    this.sample();
    const before = this.#taken;
    const full = this.#diskWasFull;
    this.#taken = this.#last;
    this.#diskWasFull = false;
    if (this.#last.oomKills > before.oomKills) return 'memory';
    if (full) return 'disk';
    return this.#last.refusedForks > before.refusedForks ? 'pids' : undefined;
  }
}
