import { type LogRecord, type LogStepEnd, oneLine, showDuration, TerminalFilter } from '@ritmo/protocol';
import type { Output } from '../io.js';
import { StatusLine } from './status-line.js';
import { wrapped } from './wrap.js';

/** How the agent closes a log; the last line of ours says it again, in colour and with the hint apart. */
const closingNote = /^(succeeded in |(failed|cancelled|timed out|errored)(: |$))/;

/** So much of a name is shown however narrow the terminal is. */
const leastName = 12;

interface ShownStep {
  readonly name: string;
  readonly startedMs: number;
  /** By the clock of this program, for a step that is still running. */
  readonly seenAt: number;
  readonly filters: Readonly<Record<1 | 2, TerminalFilter>>;
}

/** Shows the log of a build to a person as it comes: steps with names and times, their output, notes more quietly. */
export class LogView implements Disposable {
  readonly #out: Output;
  readonly #status: StatusLine | undefined;
  #step: ShownStep | undefined;
  readonly #steps = new Map<number, ShownStep>();
  /** The one that has ended whose output is being shown: the end that was kept of a log which was cut. */
  #late: ShownStep | undefined;
  #goingOn = 'Preparing';
  #atLineStart = true;
  #closing: Extract<LogRecord, { k: 'note' }> | undefined;

  /** `live`: the build is still running; what goes on is said while it prints nothing. */
  constructor(out: Output, { live }: { readonly live: boolean }) {
    this.#out = out;
    if (live) this.#status = new StatusLine(out, () => this.#words());
  }

  show(record: LogRecord): void {
    const held = this.#closing;
    if (held !== undefined && (record.k === 'step' || (record.k === 'note' && closingNote.test(record.m)))) {
      // A build goes on: it was a note like any other.
      this.#closing = undefined;
      this.#note(held.level, held.m);
    }
    if (record.k === 'note' && this.#step === undefined && closingNote.test(record.m)) {
      this.#closing = record;
      return;
    }
    switch (record.k) {
      case 'log':
        return;
      case 'step':
        return this.#startStep(record.s, record.name, record.cmd, record.t);
      case 'out':
        return this.#output(record.s, record.m, record.fd);
      case 'end':
        return this.#endStep(record);
      case 'note':
        return this.#note(record.level, record.m);
    }
  }

  /** Leaves the terminal as it was; for the end of the log, and before words of ours. */
  close(): void {
    this.#status?.clear();
    for (const step of [this.#step, this.#late])
      if (step !== undefined) for (const filter of Object.values(step.filters)) this.#out.write(filter.end());
    this.#late = undefined;
    if (!this.#atLineStart) this.#write('\n');
  }

  /** What the status line says between and after the steps. */
  goesOn(words: string): void {
    this.#goingOn = words;
  }

  [Symbol.dispose](): void {
    this.#status?.[Symbol.dispose]();
  }

  #write(text: string): void {
    if (text === '') return;
    this.#status?.clear();
    this.#out.write(text);
    this.#atLineStart = text.endsWith('\n');
  }

  /** What the status line says; nothing while a line of the build is half printed. */
  #words(): string | undefined {
    if (!this.#atLineStart) return undefined;
    if (this.#step === undefined) return this.#goingOn;
    return `${this.#step.name}  ${showDuration(1000 * Math.floor((performance.now() - this.#step.seenAt) / 1000))}`;
  }

  #startStep(index: number, name: string, command: string, startedMs: number): void {
    this.close();
    const { bold, dim } = this.#out.style;
    const filter = () => new TerminalFilter({ colours: this.#out.colours, erase: this.#out.terminal });
    const shownName = oneLine(name);
    const filters = { 1: filter(), 2: filter() };
    this.#step = { name: shownName, startedMs, seenAt: performance.now(), filters };
    this.#steps.set(index, this.#step);
    this.#goingOn = 'Finishing';
    const at = this.#clock(startedMs);
    const firstLine = oneLine(command.trimStart().split('\n', 1)[0] ?? '');
    const isWhole = command.trim().indexOf('\n') === -1;
    const room = Math.max(0, this.#out.columns - 4 - at.length - shownName.length - 2);
    const isNamedSo =
      firstLine === shownName || (shownName.endsWith('…') && firstLine.startsWith(shownName.slice(0, -1)));
    const shown = isNamedSo ? '' : cut(isWhole ? firstLine : `${firstLine} …`, this.#out.terminal ? room : 200);
    this.#write(
      `${dim(at)} ${bold(`▸ ${this.#fitted(shownName, at.length + 3)}`)}${shown === '' ? '' : `  ${dim(shown)}`}\n`,
    );
  }

  #output(index: number, text: string, fd: 1 | 2): void {
    const step = this.#steps.get(index);
    if (step === undefined) return this.#write(oneLine(text));
    if (step !== this.#step && step !== this.#late) {
      this.close();
      this.#late = step;
      this.#write(`${this.#out.style.dim(`▸ ${this.#fitted(step.name, 2)}`)}\n`);
    }
    this.#write(step.filters[fd].push(text));
  }

  #endStep(end: LogStepEnd): void {
    this.close();
    if (this.#step === undefined) return;
    const { dim, green, red, yellow } = this.#out.style;
    const { name, startedMs } = this.#step;
    const took = showDuration(end.t - startedMs);
    const limit = end.limit === undefined ? '' : ` at its ${oneLine(end.limit)} limit`;
    const at = this.#clock(end.t);
    const named = (rest: string) => this.#fitted(name, at.length + rest.length + 4);
    const line = (mark: string, rest: string) => `${mark} ${named(rest)} ${rest}`;
    const write = (text: string) => this.#write(`${dim(at)} ${text}\n`);
    if (end.reason === 'not-started') write(red(line('✗', 'could not start')));
    else if (end.reason !== undefined) write(yellow(line('■', `was stopped (${oneLine(end.reason)}) after ${took}`)));
    else if (end.code === 0) write(`${green(`✓ ${named(took)}`)} ${dim(took)}`);
    else if (end.code !== undefined) write(red(line('✗', `exited with ${end.code}${limit} after ${took}`)));
    else write(red(line('✗', `was ended by ${oneLine(end.signal ?? 'something')}${limit} after ${took}`)));
    this.#step = undefined;
  }

  #note(level: 'info' | 'warn' | 'error', message: string): void {
    this.close();
    const { dim, red, yellow } = this.#out.style;
    const text = `· ${oneLine(message)}`;
    this.#write(`${{ info: dim, warn: yellow, error: red }[level](wrapped(text, this.#out))}\n`);
  }

  /** The name of a step in a line of a terminal that holds `taken` characters beside it; whole where lines have no end. */
  #fitted(name: string, taken: number): string {
    const room = Math.max(leastName, this.#out.columns - taken);
    return this.#out.terminal && name.length > room ? `${name.slice(0, room - 1).trimEnd()}…` : name;
  }

  /** Minutes and seconds since the start of the build. */
  #clock(ms: number): string {
    const seconds = Math.floor(ms / 1000);
    return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
  }
}

function cut(text: string, room: number): string {
  if (text.length <= room) return text;
  return room < 8 ? '' : `${text.slice(0, room - 1).trimEnd()}…`;
}
