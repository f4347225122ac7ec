import { formatSize } from '@ritmo/protocol';
import { withDeadline } from '../build/deadline.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor, ProbeReport } from '../executor/plugin.js';
import { RitmoError } from '../errors.js';
import { rejection } from '../rejection.js';
import { type DiskSpace, diskSpace, roundSize } from './host-stats.js';

export interface HealthWatchOptions {
  readonly executors: readonly Executor[];
  /** Folder whose file system is watched. */
  readonly folder: string;
  /** Below this no jobs are claimed. */
  readonly minFreeDiskBytes: number;
  readonly diskMs: number;
  readonly probeMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly probed: (executor: string, report: ProbeReport) => void;
  /** Told whenever the reasons or the executors that work have changed. */
  readonly changed: (health: Health) => void;
}

export interface Health {
  /** Sentences why no jobs are claimed; none where the worker is well. */
  readonly reasons: readonly string[];
  readonly disk: DiskSpace | undefined;
  readonly executors: ReadonlyArray<{ readonly name: string } & Pick<ProbeReport, 'health' | 'detail'>>;
}

/** A probe that takes longer counts as unavailable, in milliseconds. */
const probeLimitMs = 30_000;
/** While an executor does not work it is asked at least so often, in milliseconds. */
const mendMs = 5_000;
/** Room that must be there again beyond the floor, so that a worker at its edge does not flap. */
const recovery = 1.05;

const works = (health: ProbeReport['health']) => health === 'healthy' || health === 'degraded';

/** Looks at the disk and asks the executors now and then; says when the worker stops or begins to be fit for jobs. */
export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #reports = new Map<string, Pick<ProbeReport, 'health' | 'detail'>>();
  #disk: DiskSpace | undefined;
  #low = false;
  #diskError: string | undefined;
  #said = '';
  #doubted = false;
  #failed = false;
  #hurry = new AbortController();

  constructor(options: HealthWatchOptions) {
    this.#options = options;
    // They were probed when they were opened.
    for (const { name } of options.executors) this.#reports.set(name, { health: 'healthy', detail: '' });
    this.#said = this.#shape();
  }

  get health(): Health {
    const executors = [...this.#reports].map(([name, { health, detail }]) => ({ name, health, detail }));
    return { reasons: this.#reasons(), disk: this.#disk, executors };
  }

  /** Whether jobs may be given to an executor. */
  canUse(executor: string): boolean {
    return works(this.#reports.get(executor)?.health ?? 'unavailable');
  }

  /** A build found that an executor does not work: all are asked at once. */
  doubt(): void {
    this.#doubted = true;
    this.#failed = true;
    this.#hurry.abort(new Error('An executor is in doubt.'));
  }

  /** Whether an executor has not worked at some time, so that it may have left something. */
  get everFailed(): boolean {
    return this.#failed;
  }

  /** Ends when aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, diskMs, probeMs } = this.#options;
    let probed = clock.monotonic();
    while (!signal.aborted) {
      this.#hurry = new AbortController();
      await this.#lookAtDisk();
      const wait = this.#allWork() ? probeMs : Math.min(probeMs, mendMs);
      if (this.#doubted || clock.monotonic() >= probed + wait) {
        this.#doubted = false;
        await this.#probe(signal);
        probed = clock.monotonic();
      }
      if (signal.aborted) return;
      this.#tell();
      using pause = withDeadline([signal, this.#hurry.signal], undefined, new Error('A look is due.'));
      await clock.sleep(Math.min(diskMs, probeMs), pause.signal).catch(() => {});
    }
  }

  #allWork(): boolean {
    return [...this.#reports.values()].every(({ health }) => works(health));
  }

  /** The first look, before any job is claimed. */
  async look(): Promise<void> {
    await this.#lookAtDisk();
    this.#tell();
  }

  async #lookAtDisk(): Promise<void> {
    const { folder, minFreeDiskBytes, log } = this.#options;
    try {
      this.#disk = await diskSpace(folder);
      this.#diskError = undefined;
      this.#low = this.#disk.freeBytes < minFreeDiskBytes * (this.#low ? recovery : 1);
    } catch (error) {
      if (this.#diskError === undefined) log.error({ err: error, folder }, 'the disk of the worker cannot be read');
      this.#diskError = (error as Error).message;
    }
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { executors, probed } = this.#options;
    const late = new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `It did not answer within ${probeLimitMs / 1000} s.`);
    await Promise.all(
      executors.map(async (executor) => {
        using bounded = withDeadline([signal], probeLimitMs, late);
        // One that does not listen must not keep the others, and the disk, from being looked at.
        const asked = Promise.resolve().then(() => executor.probe(bounded.signal));
        const answer = Promise.race([asked, rejection(bounded.signal)]);
        const report = await answer.catch(
          (error: unknown): ProbeReport => ({
            health: 'unavailable',
            detail: error instanceof Error ? error.message : String(error),
            facts: {},
          }),
        );
        if (signal.aborted) return;
        this.#reports.set(executor.name, report);
        if (!works(report.health)) this.#failed = true;
        probed(executor.name, report);
      }),
    );
  }

  #reasons(): string[] {
    const { minFreeDiskBytes, folder } = this.#options;
    const reasons: string[] = [];
    if (this.#diskError !== undefined) reasons.push(`The disk cannot be read: ${this.#diskError}`);
    else if (this.#low && this.#disk)
      reasons.push(
        `${roundSize(this.#disk.freeBytes)} are free where ${folder} lies; jobs are taken from ${formatSize(minFreeDiskBytes)} on.`,
      );
    const reports = [...this.#reports];
    if (!reports.some(([, { health }]) => works(health)))
      reasons.push(...reports.map(([name, { detail }]) => `The ${name} executor cannot work: ${detail}`));
    return reasons;
  }

  /** What a change is: not each byte of the disk. */
  #shape(): string {
    const usable = [...this.#reports].map(([name, { health }]) => [name, works(health)]);
    return JSON.stringify([this.#low, this.#diskError !== undefined, usable]);
  }

  #tell(): void {
    const shape = this.#shape();
    if (shape === this.#said) return;
    this.#said = shape;
    this.#options.changed(this.health);
  }
}
