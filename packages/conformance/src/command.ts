import { writeFile } from 'node:fs/promises';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { formatJunit } from './junit.js';
import type { Report } from './run.js';

/** The command that checks one subject, as a kit has it. */
export interface Command<Checked extends { readonly group: string }, Flag extends string> {
  /** As it is typed: `ritmo-executor-testkit`. */
  readonly name: string;
  /** What it does, as the first line of the help. */
  readonly title: string;
  /** What its one argument is: `plugin`. */
  readonly argument: string;
  /** What the argument has to be, in whole sentences. */
  readonly about: string;
  /** Its own flags, each with a value, in the order of the help: `witness: ['FILE', 'module that …']`. */
  readonly flags: Readonly<Record<Flag, readonly [value: string, what: string]>>;
  readonly cases: readonly Checked[];
  /** Groups in the order of the report. */
  readonly groups: readonly string[];
  /** What `--time-scale` is for, as a sentence. */
  readonly timeScaleHint: string;
  /** Runs the cases that were chosen. Rejects with a code and a hint when the subject cannot be had. */
  check(subject: string, options: CheckOptions<Checked, Flag>): Promise<Checkup>;
}

/** What was said on the command line. */
export interface CheckOptions<Checked, Flag extends string> {
  readonly flags: Readonly<Partial<Record<Flag, string>>>;
  readonly cases: readonly Checked[];
  /** Undefined where it was not given. */
  readonly timeScale: number | undefined;
}

/** What a check came to: as data, and as text for people. */
export interface Checkup {
  readonly report: Report;
  readonly text: string;
}

/** Where words go. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Runs the command, apart from the process around it. Resolves with the exit code. */
export async function runCommand<Checked extends { readonly group: string }, Flag extends string>(
  command: Command<Checked, Flag>,
  argv: readonly string[],
  { out, err }: Output,
): Promise<number> {
  try {
    const { group, timeScale, junit, help, subject, flags } = parse(command, argv);
    if (help || subject === undefined) {
      (help ? out : err)(helpOf(command));
      return help ? 0 : 2;
    }
    const chosen = { flags, cases: casesOf(command, group), timeScale: scaleOf(command, timeScale) };
    const { report, text } = await command.check(subject, chosen);
    out(text);
    if (junit !== undefined) await writeFile(junit, formatJunit(report));
    return report.conforms ? 0 : 1;
  } catch (error) {
    if (!isExplained(error)) throw error;
    err(`${error.code}: ${error.message}\n${error.hint}\n`);
    return 2;
  }
}

/** Errors of Ritmo have a code and a hint; others are defects of the kit. */
function isExplained(error: unknown): error is Error & { readonly code: string; readonly hint: string } {
  return error instanceof Error && 'hint' in error && 'code' in error;
}

function mistake(message: string, hint: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code: 'RITMO_USAGE', hint });
}

const shared = {
  group: { type: 'string', multiple: true },
  'time-scale': { type: 'string' },
  junit: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

function parse<Flag extends string>(
  { name, argument, flags: own }: Pick<Command<never, Flag>, 'name' | 'argument' | 'flags'>,
  argv: readonly string[],
) {
  const options = Object.fromEntries(Object.keys(own).map((flag) => [flag, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { ...options, ...shared },
    });
    if (positionals.length > 1) throw new Error(`one ${argument} at a time, not ${positionals.join(' and ')}`);
    const { group = [], 'time-scale': timeScale, junit, help = false, ...flags } = values;
    return {
      group,
      timeScale,
      junit,
      help,
      flags: flags as Readonly<Partial<Record<Flag, string>>>,
      subject: positionals[0],
    };
  } catch (error) {
    throw mistake(error instanceof Error ? error.message : String(error), `See \`${name} --help\`.`, error);
  }
}

function scaleOf({ timeScaleHint }: { readonly timeScaleHint: string }, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const scale = Number(text);
  if (scale > 0 && Number.isFinite(scale)) return scale;
  throw mistake(`--time-scale must be a number above 0, not "${text}".`, timeScaleHint);
}

function casesOf<Checked extends { readonly group: string }>(
  { cases, groups }: Pick<Command<Checked, never>, 'cases' | 'groups'>,
  names: readonly string[],
): readonly Checked[] {
  const unknown = names.filter((name) => !groups.includes(name));
  if (unknown.length > 0) {
    throw mistake(`There is no group ${unknown.join(', ')}.`, `The groups are ${groups.join(', ')}.`);
  }
  return cases.filter(({ group }) => names.length === 0 || names.includes(group));
}

function helpOf<Flag extends string>(command: Omit<Command<never, Flag>, 'cases' | 'check'>): string {
  const rows: ReadonlyArray<readonly [string, string]> = [
    ...Object.entries<readonly [string, string]>(command.flags).map(
      ([flag, [value, what]]) => [`${flag} ${value}`, what] as const,
    ),
    ['group NAME', `only this group; repeatable (${command.groups.join(', ')})`],
    ['time-scale N', 'multiplies every bound of time (1)'],
    ['junit FILE', 'writes the report as JUnit XML too'],
  ];
  return `${command.title}

  ${command.name} ${command.argument.toUpperCase()} [options]

${command.about}

${rows.map(([flag, what]) => `  --${flag.padEnd(17)} ${what}\n`).join('')}
Exits with 0 when it conforms, 1 when it does not, 2 on a mistake in the command.
`;
}
