import type { Command } from '../commands/command.js';
import type { Option } from '../options/kinds.js';
import { flagOf, type OptionKey, options } from '../options/table.js';

/** The shells that scripts are made for. */
export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What can stand after a flag or as an argument. */
export type Values =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'files' }
  | { readonly kind: 'folders' }
  /** Only the person knows. */
  | { readonly kind: 'free' };

export interface CompletedFlag {
  /** With its dashes. */
  readonly flag: string;
  readonly about: string;
  /** Absent for a switch. */
  readonly values?: Values;
  readonly repeat: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly CompletedFlag[];
  readonly args: readonly Values[];
}

/** What there is to complete, from the same tables as the command line itself; the default command stands first. */
export function completionModel(commands: readonly Command[]): readonly CompletedCommand[] {
  return commands.map(({ name, about, args, options: keys }) => ({
    name,
    about,
    flags: [
      ...keys.map(completedFlag),
      { flag: '--help', about: 'display help for command', repeat: false } satisfies CompletedFlag,
    ],
    args: args.map(argumentValues),
  }));
}

function completedFlag(key: OptionKey): CompletedFlag {
  const { about, value, repeat, words }: Option = options[key];
  const base = { flag: `--${flagOf(key)}`, about, repeat };
  return value === undefined ? base : { ...base, values: words === undefined ? valuesOf(value) : wordList(words) };
}

/** `FILE`, `DIR`, `NAME=PATH` and the like, as the help names them. */
function valuesOf(value: string): Values {
  if (/\bDIR\b|^PATH/.test(value)) return { kind: 'folders' };
  return /\bFILE\b/.test(value) ? { kind: 'files' } : { kind: 'free' };
}

/** `<JOB.yaml>` is a file, `[get]` the word itself, `<bash|zsh|fish>` one of them, `<JOB-ID>` free. */
function argumentValues(arg: string): Values {
  const inner = arg.slice(1, -1);
  if (inner.endsWith('.yaml')) return { kind: 'files' };
  return /^[a-z|]+$/.test(inner) ? wordList(inner.split('|')) : { kind: 'free' };
}

const wordList = (words: readonly string[]): Values => ({ kind: 'words', words });
