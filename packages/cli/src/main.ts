import { commands } from './commands/index.js';
import { exitCodeOfError } from './exit-codes.js';
import type { Io } from './io.js';
import { mistypedVariables } from './options/mistyped.js';
import { resolveSettings } from './options/resolve.js';
import { readCommandLine } from './program.js';
import { asRitmoError, showError } from './show-error.js';
import { version } from './version.js';

/** Runs one command line and answers its exit code. Errors are shown, not thrown. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    const invocation = readCommandLine(argv, commands, version, io);
    if (invocation.kind === 'done') return 0;
    const { command, args, flags } = invocation;
    const reread = () => resolveSettings(command.options, flags, io.env);
    const settings = await reread();
    for (const { variable, meant } of mistypedVariables(io.env))
      io.err.write(`${variable} is no setting and was not read; did you mean ${meant}?\n`);
    const run = await command.load();
    return await run({ settings, args, io, reread });
  } catch (error) {
    showError(error, io.err);
    return exitCodeOfError(asRitmoError(error).code);
  }
}
