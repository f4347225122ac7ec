import { RitmoError } from '@ritmo/agent-core/executor';
import { nearest } from '@ritmo/protocol';
import { Command as Commander, CommanderError, Option as CommanderOption } from 'commander';
import type { Command } from './commands/command.js';
import type { Io } from './io.js';
import type { Option } from './options/kinds.js';
import type { Flags } from './options/resolve.js';
import { flagOf, type OptionKey, options, variableOf } from './options/table.js';

/** What the command line asks for. */
export type Invocation =
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly args: ReadonlyArray<string | undefined>;
      readonly flags: Flags;
    }
  /** Help or version, printed already. */
  | { readonly kind: 'done' };

/** Columns that what is said of a flag has at least, before it is left to the terminal. */
const leastHelpColumns = 12;

const afterHelp = `
Every flag has an environment variable (--max-concurrent is RITMO_MAX_CONCURRENT) and a key in the config file
(maxConcurrent). A flag wins over its variable, the variable over the file.`;

/**
 * Reads the command line. Help goes to stdout.
 * @throws RITMO_USAGE for what is not known, with what was probably meant
 */
export function readCommandLine(
  argv: readonly string[],
  commands: readonly [Command, ...Command[]],
  version: string,
  io: Io,
): Invocation {
  refuseUnknownCommand(argv, commands);
  let invocation: Invocation = { kind: 'done' };
  const program = new Commander('ritmo-agent')
    .description('The Ritmo worker agent: runs build jobs in isolation')
    .version(version, '-V, --version', 'print the version')
    .addHelpText('after', afterHelp);
  for (const command of commands) {
    const isDefault = command === commands[0];
    const sub = program.command(command.name, { isDefault }).description(command.about).summary(command.about);
    for (const arg of command.args) sub.argument(arg);
    for (const key of command.options) for (const option of flagsOf(key)) sub.addOption(option);
    sub.addHelpText('after', examplesOf(command));
    sub.allowExcessArguments(false);
    sub.action(() => {
      invocation = {
        kind: 'run',
        command,
        args: command.args.map((_, index) => sub.args[index]),
        flags: flagsGiven(sub.opts()),
      };
    });
  }
  for (const each of [program, ...program.commands]) quiet(each, io);
  // The flags of the default command stand in the help of the program too.
  const [first] = program.commands;
  program.addHelpText('after', () => (first === undefined ? '' : `\nOptions of start:\n${optionLines(first)}`));
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    // Help and version end the reading too.
    if (!(error instanceof CommanderError)) throw error;
  }
  return invocation;
}

/** What stands first and is no flag is a command: the default one takes no arguments. */
function refuseUnknownCommand([word = '-', second]: readonly string[], commands: readonly Command[]): void {
  const names = [...commands.map(({ name }) => name), 'help'];
  const first = word === 'help' && second !== undefined ? second : word;
  if (first.startsWith('-') || names.includes(first)) return;
  const meant = nearest(first, names);
  const isFile = /[./]/.test(first);
  const hint =
    meant !== undefined ? `Did you mean ${meant}?` : isFile ? `Did you mean \`ritmo-agent exec ${first}\`?` : undefined;
  throw new RitmoError(
    'RITMO_USAGE',
    `There is no command ${JSON.stringify(first)}.`,
    hint === undefined ? {} : { hint },
  );
}

function flagsOf(key: OptionKey): CommanderOption[] {
  const option: Option = options[key];
  const flag = `--${flagOf(key)}`;
  const fallback = option.defaultText === undefined ? '' : ` (default: ${option.defaultText})`;
  const about = `${option.about}${fallback} [${variableOf(key)}]`;
  const collect = (text: string, before: readonly string[] | undefined) => [...(before ?? []), text];
  if (option.value !== undefined) return [new CommanderOption(`${flag} <${option.value}>`, about).argParser(collect)];
  return [new CommanderOption(flag, about), new CommanderOption(`--no-${flagOf(key)}`).hideHelp()];
}

/** What commander has by its own names, by our keys. */
function flagsGiven(found: Readonly<Record<string, unknown>>): Flags {
  const flags: Partial<Record<OptionKey, readonly string[]>> = {};
  for (const key of Object.keys(options) as OptionKey[]) {
    const value = found[camelCase(flagOf(key))];
    if (typeof value === 'boolean') flags[key] = [String(value)];
    else if (Array.isArray(value)) flags[key] = value.map(String);
  }
  return flags;
}

const camelCase = (flag: string) => flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

function quiet(command: Commander, io: Io): void {
  command.exitOverride((error) => {
    throw error.exitCode === 0 ? error : usage(error, command);
  });
  command.showSuggestionAfterError(true);
  command.configureHelp({ minWidthToWrap: leastHelpColumns });
  command.configureOutput({
    writeOut: (text) => io.out.write(text),
    // Errors are told once, by whoever catches ours.
    writeErr: () => undefined,
    getOutHelpWidth: () => Math.min(Math.max(io.out.columns, 60), 120),
    getOutHasColors: () => io.out.colours,
  });
}

function optionLines(command: Commander): string {
  const help = command.createHelp();
  help.minWidthToWrap = leastHelpColumns;
  help.helpWidth = command.configureOutput().getOutHelpWidth?.() ?? 80;
  const shown = help.visibleOptions(command);
  const width = Math.max(...shown.map((option) => help.optionTerm(option).length));
  return shown
    .map((option) => help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help))
    .join('\n');
}

function examplesOf({ examples }: Command): string {
  if (examples.length === 0) return '';
  return `\nExamples:\n${examples.map(([line, about]) => `  ${line}\n      ${about}`).join('\n')}`;
}

function usage(error: CommanderError, command: Commander): RitmoError {
  const [first = '', suggestion = ''] = error.message.replace(/^error: /, '').split('\n');
  // With its value, which may be anything and a secret too, commander finds nothing near.
  const flag = /^unknown option '(--[^=']+)=/.exec(first)?.[1];
  const known = command.options.filter((option) => option.long !== undefined && !option.hidden);
  const name = flag?.replace(/^--(no-)?/, '');
  if (known.some((option) => option.name() === name && !option.required && !option.optional))
    return new RitmoError('RITMO_USAGE', `--${name} takes no value.`, { hint: `Say --${name} or --no-${name}.` });
  const flags = known.map((option) => `--${option.name()}`);
  const meant = flag === undefined ? /^\(Did you mean (.+)\?\)$/.exec(suggestion)?.[1] : nearest(flag, flags);
  const said = flag === undefined ? first : `unknown option '${flag}'`;
  const sentence = `${said.charAt(0).toUpperCase()}${said.slice(1)}${/[.!?]$/.test(said) ? '' : '.'}`;
  const hint = meant === undefined ? helpOn(error, command) : `Did you mean ${meant}?`;
  return new RitmoError('RITMO_USAGE', sentence, { hint });
}

/** The line that was meant where arguments are wrong; else where the options stand. */
function helpOn({ code }: CommanderError, command: Commander): string {
  if (code === 'commander.excessArguments' || code === 'commander.missingArgument')
    return `Say \`${command.createHelp().commandUsage(command)}\`.`;
  return command.parent === null ? 'See `ritmo-agent --help`.' : `See \`ritmo-agent ${command.name()} --help\`.`;
}
