import { RitmoError } from '@ritmo/agent-core/executor';

/** A command with all that the machine is to set for it. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Absolute, inside. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The system's bound for one argument or variable, and for all of them with the usual stack of 8 MiB. */
const longestText = 128 * 1024;
const longestTotal = 2 * 1024 * 1024 - 16 * 1024;
const pointerBytes = 8;

/**
 * The command as lines of POSIX shell: variables, folder, arguments, each in single quotes.
 * @throws RITMO_STEP_NOT_STARTED for what no program can be given.
 */
export function stepFile(command: Command): string {
  assertPassable(command);
  // `command` keeps a shell alive that has one of the names for itself and read-only (bash: UID).
  const variables = Object.entries(command.env).map(([name, value]) => `command export ${name}=${quote(value)}\n`);
  return `${variables.join('')}_ritmo_folder=${quote(command.cwd)}\nset -- ${command.argv.map(quote).join(' ')}\n`;
}

/** Text as one word of a POSIX shell, whatever it holds but NUL. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function assertPassable({ argv, cwd, env }: Command): void {
  if ([...argv, cwd].some((text) => text.includes('\0')))
    throw notStarted('An argument holds a NUL byte, which no program can be given.');
  if (argv[0] === '') throw notStarted('The name of the program is empty.');
  let total = 0;
  const count = (text: string) => {
    const bytes = Buffer.byteLength(text) + 1;
    total += bytes + pointerBytes;
    if (bytes > longestText || total > longestTotal) throw tooLong();
  };
  argv.forEach(count);
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw notStarted(`${JSON.stringify(name)} cannot name a variable.`, 'Use letters, digits and underscores.');
    if (value.includes('\0')) throw notStarted(`The variable ${name} holds a NUL byte, which no program can be given.`);
    count(`${name}=${value}`);
  }
}

export function notStarted(message: string, hint?: string): RitmoError {
  return new RitmoError('RITMO_STEP_NOT_STARTED', message, hint === undefined ? {} : { hint });
}

function tooLong(): RitmoError {
  return notStarted(
    'Arguments and environment of the step are longer than the system allows.',
    'Put long texts into files.',
  );
}
