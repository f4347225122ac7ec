import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, type ProgramOptions, runProgram, startProgram } from './program.js';
import { root } from './workspace.js';

/** The command line of `ritmo-agent`, from its sources. */
export function agentArgv(...args: readonly string[]): [string, ...string[]] {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const bin = join(root, 'packages', 'cli', 'src', 'bin.ts');
  return [process.execPath, '--import', tsx, '--conditions=@ritmo/source', bin, ...args];
}

/** Starts `ritmo-agent` as a user would. */
export function startAgent(args: readonly string[], options: ProgramOptions = {}): Program {
  return startProgram(agentArgv(...args), options);
}

/** Runs `ritmo-agent` to its end. */
export function runAgent(args: readonly string[], options: ProgramOptions = {}): ReturnType<typeof runProgram> {
  return runProgram(agentArgv(...args), options);
}
