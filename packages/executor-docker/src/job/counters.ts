import type { LimitHit } from '@ritmo/agent-core/executor';
import type { CgroupCounters, ProcessCgroup } from '@ritmo/host-linux';

/** What a container has used and which of its limits it ran into, as the host counts it. */
export class Counters {
  readonly #cgroup: ProcessCgroup;
  readonly #isDiskFull: () => boolean;
  #last: CgroupCounters;
  #taken: CgroupCounters;
  #diskWasFull = false;

  constructor(cgroup: ProcessCgroup, isDiskFull: () => boolean) {
    this.#cgroup = cgroup;
    this.#isDiskFull = isDiskFull;
    this.#last = cgroup.counters();
    this.#taken = this.#last;
  }

  get cpuMs(): number {
    this.sample();
    return this.#last.cpuMs ?? 0;
  }

  get memoryPeakBytes(): number | undefined {
    this.sample();
    return this.#last.memoryPeakBytes;
  }

  sample(): void {
    const now = this.#cgroup.counters();
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
    if (this.#last.outOfMemoryKills > before.outOfMemoryKills) return 'memory';
    if (full) return 'disk';
    return this.#last.refusedForks > before.refusedForks ? 'pids' : undefined;
  }
}
