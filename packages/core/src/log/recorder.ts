import type { LogNoteLevel } from '@ritmo/protocol';
import type { Clock } from '../executor/host.js';
import type { OutputWriter } from '../executor/sandbox.js';
import { AddedMasks } from './added-masks.js';
import type { MaskSet } from './mask-set.js';
import { noteLine, outputLine, recordLine, type StepEnd } from './records.js';
import { Spool, type SpoolEnd, type SpoolOptions } from './spool.js';
import { StepOutput } from './step-output.js';

/** Longest note, in characters. */
const longestNote = 16_384;

interface RecorderOptions extends SpoolOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly masks: MaskSet;
  /** Told each value that the build adds to the masks, so that it can outlive the agent. Never to be logged. */
  readonly onMask?: (value: string) => void;
}

export interface OpenLogOptions extends RecorderOptions {
  readonly jobId: string;
  readonly epoch: number;
}

export interface ReopenLogOptions extends RecorderOptions {
  /** What the build added to the masks before. */
  readonly added?: readonly string[];
}

/** Writes the log of one build: everything is masked here, before it is kept or sent. */
export class LogRecorder {
  /** The file that a sender reads from. */
  readonly spool: Spool;
  readonly #clock: Clock;
  readonly #masks: MaskSet;
  readonly #added: AddedMasks;
  readonly #onMask: RecorderOptions['onMask'];
  /** Monotonic time at which `t` was 0. */
  readonly #zero: number;
  /** Steps that began in this process. */
  readonly #begun = new Set<number>();
  readonly #ended = new Set<number>();
  readonly #outputs = new Map<number, StepOutput>();
  #closing: Promise<SpoolEnd> | undefined;

  /** The log goes on after an agent died: what is printed by a step that it had begun follows a gap. */
  readonly #afterGap: boolean;

  private constructor(spool: Spool, zero: number, options: RecorderOptions, afterGap: boolean) {
    this.#afterGap = afterGap;
    this.spool = spool;
    this.#zero = zero;
    this.#clock = options.clock;
    this.#masks = options.masks;
    this.#onMask = options.onMask;
    this.#added = new AddedMasks(options.masks, (text) => this.note('warn', text));
  }

  /** A new log at `path`, which must not exist. Rejects with RITMO_STATE_UNREADABLE or RITMO_DISK_FULL. */
  static async open(options: OpenLogOptions): Promise<LogRecorder> {
    const { clock, jobId, epoch } = options;
    const start = new Date(clock.now()).toISOString();
    const spool = await Spool.create(options.path, { k: 'log', v: 1, job: jobId, epoch, start }, options);
    return new LogRecorder(spool, clock.monotonic(), options, false);
  }

  /** Goes on with the log of a build whose agent died; a torn last record is cut off. */
  static async reopen(options: ReopenLogOptions): Promise<LogRecorder> {
    const spool = await Spool.reopen(options.path, options);
    // Where the wall clock was set back meanwhile, time goes on from the last record.
    const since = Math.max(spool.lastT, options.clock.now() - Date.parse(spool.header.start));
    const recorder = new LogRecorder(spool, options.clock.monotonic() - since, options, true);
    for (const value of options.added ?? []) recorder.#added.add(value);
    return recorder;
  }

  /** Whether the log says that the step has begun. */
  hasBegun(index: number): boolean {
    return this.#begun.has(index) || this.spool.begunSteps.has(index);
  }

  hasEnded(index: number): boolean {
    return this.#ended.has(index) || this.spool.endedSteps.has(index);
  }

  /** From now on output is taken only as fast as it reaches the file: for builds that outlive an agent that is killed. */
  keepUp(): void {
    this.spool.keepUp();
  }

  /** Bytes of the log so far. */
  get bytes(): number {
    return this.spool.length;
  }

  /** The agent speaks, beside the steps. Does nothing once the log has ended: progress may come late. */
  note(level: LogNoteLevel, text: string): void {
    if (this.spool.ended) return;
    const masked = this.#masks.maskText(text);
    const short = masked.length > longestNote ? `${masked.slice(0, longestNote)}…` : masked;
    const t = this.#t();
    this.spool.append(t, noteLine(t, level, short));
  }

  stepStarted(index: number, name: string, cmd: string): void {
    const t = this.#t();
    this.#begun.add(index);
    const mask = (text: string): string => this.#masks.maskText(text);
    this.spool.append(t, recordLine({ t, k: 'step', s: index, name: mask(name), cmd: mask(cmd) }));
  }

  /** Where the output of a step goes, until `stepEnded`. The same writer each time. */
  output(index: number): OutputWriter {
    const known = this.#outputs.get(index);
    if (known !== undefined) return known;
    const output = new StepOutput({
      masks: this.#masks,
      afterGap: this.#afterGap && !this.#begun.has(index),
      output: (fd, text) => {
        const t = this.#t();
        this.spool.appendOutput(t, outputLine(t, index, fd, text));
      },
      addMask: (value) => {
        if (this.#added.add(value) && value !== undefined) this.#onMask?.(value);
      },
      room: () => this.spool.room(),
    });
    this.#outputs.set(index, output);
    return output;
  }

  /** Records what was held of the step's output, then its end. */
  stepEnded(index: number, end: StepEnd): void {
    this.#outputs.get(index)?.end();
    const t = this.#t();
    this.#ended.add(index);
    this.spool.append(t, recordLine({ t, k: 'end', s: index, ...end }));
  }

  /** Ends the log; nothing can be recorded after it. Resolves when all of it is in the file. Safe twice. */
  close(): Promise<SpoolEnd> {
    if (this.#closing === undefined) {
      for (const output of this.#outputs.values()) output.end();
      this.#closing = this.spool.close();
    }
    return this.#closing;
  }

  /** Closes the file without ending the log, so that it can be reopened. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.spool[Symbol.asyncDispose]();
  }

  #t(): number {
    return Math.max(this.spool.lastT, Math.floor(this.#clock.monotonic() - this.#zero));
  }
}
