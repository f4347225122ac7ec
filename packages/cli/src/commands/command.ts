import type { Io } from '../io.js';
import type { OptionKey, Settings } from '../options/table.js';

/** What a command is run with. */
export interface Context<Key extends OptionKey> {
  readonly settings: Settings<Key>;
  /** In the order of `Command.args`; one that may be left out is undefined. */
  readonly args: ReadonlyArray<string | undefined>;
  readonly io: Io;
  /** Reads the config file again; flags and variables still win over it. */
  readonly reread: () => Promise<Settings<Key>>;
}

/** One command of the program. */
export interface Command<Key extends OptionKey = OptionKey> {
  readonly name: string;
  readonly about: string;
  /** `<NAME>` must be there, `[NAME]` may. */
  readonly args: readonly string[];
  readonly options: readonly Key[];
  /** Command lines for the help, with what they do. */
  readonly examples: ReadonlyArray<readonly [line: string, about: string]>;
  /** Loads the code of the command only when it is run. Answers the exit code. */
  readonly load: () => Promise<(context: Context<Key>) => Promise<number>>;
}

/** A command whose options are known to its code. */
export function command<const Key extends OptionKey>(definition: Command<Key>): Command {
  // The settings that it is run with are always those of its own options.
  return definition;
}
