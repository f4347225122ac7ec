/** What the launcher says of a step, on a descriptor that a step of the same user can get hold of. */
export interface LauncherReport {
  /** It waits for what it is to run. */
  readonly here: boolean;
  readonly failure?: 'no-folder' | 'no-program';
  readonly started: boolean;
  readonly ended?: {
    readonly code: number;
    /** Whether the shell said that a signal ended the program. */
    readonly signalled: boolean;
    readonly left: number;
    readonly cpuMs: number;
  };
  /** What no launcher of ours says: a number out of bounds, or an end told twice. */
  readonly forged: boolean;
  /** It was told to stop, and waits until all others have ended. */
  readonly held: boolean;
}

const maxCode = 255;
/** No more processes than that can be counted in a namespace. Source: the kernel's PID_MAX_LIMIT. */
const maxLeft = 4_194_304;

/** Reads what has come of a report so far. */
export function readReport(text: string): LauncherReport {
  const started = /^started$/m.exec(text);
  const ends = [...text.matchAll(/^ended .*$/gm)];
  const [end] = ends;
  const ended = started === null || end === undefined ? undefined : readEnd(text, started.index, end);
  const failure = /^(no-folder|no-program)$/m.exec(text)?.[1] as LauncherReport['failure'];
  return {
    ...(failure === undefined || started !== null ? {} : { failure }),
    here: /^here$/m.test(text),
    started: started !== null,
    held: /^held$/m.test(text),
    forged: ends.length > 1 || (end !== undefined && ended === undefined),
    ...(ended === undefined ? {} : { ended }),
  };
}

function readEnd(text: string, startedAt: number, end: RegExpExecArray): LauncherReport['ended'] {
  const numbers = /^ended (\d{1,3}) (\d{1,7})$/.exec(end[0]);
  if (numbers === null || end.index < startedAt) return undefined;
  const [code, left] = [Number(numbers[1]), Number(numbers[2])];
  if (code > maxCode || left > maxLeft) return undefined;
  return {
    code,
    signalled: text.slice(startedAt + 'started'.length, end.index).trim() !== '',
    left,
    cpuMs: cpuMsOf(text.slice(end.index)),
  };
}

/** The second line of the shell's `times`: user and system time of its children, as `0m1.25s 0m0.5s`. */
function cpuMsOf(text: string): number {
  const lines = [...text.matchAll(/^(\d{1,9})m([\d.]{1,9})s (\d{1,9})m([\d.]{1,9})s$/gm)];
  const children = lines[1];
  if (children === undefined) return 0;
  const [, userMinutes, user, systemMinutes, system] = children.map(Number);
  const ms = ((userMinutes ?? 0) + (systemMinutes ?? 0)) * 60_000 + ((user ?? 0) + (system ?? 0)) * 1_000;
  return Number.isFinite(ms) ? Math.round(ms) : 0;
}
