import type { Offer, WorkerStatus } from '@ritmo/protocol';
import { Build } from '../build/build.js';
import type { BuildContext } from '../build/context.js';
import type { CancelCause } from '../executor/request.js';
import type { Held } from './held.js';
import type { LeaseWatch } from './lease-watch.js';
import type { Slots } from './slots.js';

/** The builds of an agent: those that run, and those that have ended while the server does not know yet. */
export class Builds {
  readonly #slots: Slots;
  readonly #watch: LeaseWatch;
  readonly #running = new Set<Build>();
  readonly #reporting = new Set<Build>();
  /** Uploads of builds of an earlier agent process. */
  readonly #uploads = new Set<Held>();
  /** Reports of builds of an earlier agent process. */
  readonly #others = new Set<Promise<void>>();
  readonly #idle = new Set<() => void>();

  constructor(slots: Slots, watch: LeaseWatch) {
    this.#slots = slots;
    this.#watch = watch;
  }

  start(offer: Offer, slot: number, context: BuildContext): Build {
    const build = new Build(offer, slot, context);
    this.#begin(build, slot);
    return build;
  }

  /** Goes on with a build of the agent before, in the slot that it had. */
  adopt(build: Build, slot: number): void {
    this.#slots.hold(slot);
    this.#begin(build, slot);
  }

  /** Keeps a drain from ending before `report` has settled. */
  track(report: Promise<void>): void {
    this.#others.add(report);
    const done = () => {
      this.#others.delete(report);
      this.#wake();
    };
    report.then(done, done);
  }

  /** Keeps the lease of an upload that goes on, until it has ended. */
  hold(upload: Held, ended: Promise<void>): void {
    this.#uploads.add(upload);
    this.#watch.renewed(upload, this.#watch.mark());
    const done = () => {
      this.#uploads.delete(upload);
      this.#watch.forget(upload);
    };
    ended.then(done, done);
  }

  find(jobId: string, epoch: number): Held | undefined {
    return this.held.find(({ lease }) => lease.jobId === jobId && lease.epoch === epoch);
  }

  /** Everything whose lease is needed. */
  get held(): readonly Held[] {
    return [...this.#running, ...this.#reporting, ...this.#uploads];
  }

  get running(): readonly Build[] {
    return [...this.#running];
  }

  get status(): WorkerStatus['running'] {
    return this.held.map((build) => build.status);
  }

  cancelAll(cause: CancelCause): void {
    for (const build of this.#running) build.abandon(cause);
  }

  fenceAll(): void {
    for (const build of this.held) build.fence();
  }

  /** Something of a build has changed that `leaveAll` may wait for. */
  poke(): void {
    this.#wake();
  }

  /** Leaves all that run to the next agent, once every build that cannot be left has ended. Answers those it left. */
  async leaveAll(): Promise<readonly Build[]> {
    while (!this.running.every((build) => build.leavable)) await this.#changed();
    const left = this.running;
    await Promise.all(left.map((build) => build.leave()));
    return left;
  }

  /** Resolves when no sandbox is left. */
  async whenEnded(): Promise<void> {
    while (this.#running.size > 0) await this.#changed();
  }

  /** Resolves when the server knows of every build, or the agent gave up telling. */
  async whenReported(): Promise<void> {
    while (this.#running.size + this.#reporting.size + this.#others.size > 0) await this.#changed();
  }

  #begin(build: Build, slot: number): void {
    this.#running.add(build);
    this.#watch.renewed(build, this.#watch.mark());
    void this.#follow(build, slot);
  }

  async #follow(build: Build, slot: number): Promise<void> {
    const { reported, released } = await build.run();
    this.#running.delete(build);
    this.#reporting.add(build);
    this.#slots.give(slot, released);
    this.#wake();
    await reported;
    this.#reporting.delete(build);
    this.#watch.forget(build);
    this.#wake();
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#idle.add(resolve));
  }

  #wake(): void {
    const waiting = [...this.#idle];
    this.#idle.clear();
    for (const resolve of waiting) resolve();
  }
}
