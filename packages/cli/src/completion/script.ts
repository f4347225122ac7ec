import type { Command } from '../commands/command.js';
import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import { completionModel, type Shell } from './model.js';
import { zshCompletion } from './zsh.js';

const scripts = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** What a shell loads to complete commands, flags and their values, the default command first. */
export function completionScript(shell: Shell, commands: readonly [Command, ...Command[]]): string {
  const [first, ...rest] = completionModel(commands);
  return first === undefined ? '' : scripts[shell]([first, ...rest]);
}
