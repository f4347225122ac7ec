import { commands } from '../../packages/cli/src/commands/index.js';
import { readCommandLine } from '../../packages/cli/src/program.js';
import { memoryIo } from '../../packages/cli/test/support/output.js';

/** Reads the arguments of `ritmo-agent` and runs nothing. Throws where the program would refuse them. */
export function checkCommandLine(args: readonly string[]): void {
  readCommandLine(args, commands, '0.0.0', memoryIo());
}
