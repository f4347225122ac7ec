import { RitmoError } from '@ritmo/agent-core/executor';
import { shells } from '../completion/model.js';
import { completionScript } from '../completion/script.js';
import { exitCodes } from '../exit-codes.js';
import type { Context } from './command.js';

/** Prints the script that completes command lines in a shell. */
export async function completion({ args, io }: Context<never>): Promise<number> {
  const shell = shells.find((name) => name === args[0]);
  if (shell === undefined)
    throw new RitmoError('RITMO_USAGE', `There is no completion for ${JSON.stringify(args[0])}.`, {
      hint: `Name one of ${shells.join(', ')}.`,
    });
  // The table of commands leads here, so it is not loaded with this file.
  const { commands } = await import('./index.js');
  io.out.write(completionScript(shell, commands));
  return exitCodes.ok;
}
