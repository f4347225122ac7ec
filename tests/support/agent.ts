import { type Program, type ProgramOptions, runProgram, startProgram } from './program.js';
import { programArgv } from './program-argv.js';

/** The command line of `ritmo-agent`. */
export function agentArgv(...args: readonly string[]): [string, ...string[]] {
  return programArgv('packages/cli/dist/bin.js', ...args);
}

/** Starts `ritmo-agent` as a user would. */
export function startAgent(args: readonly string[], options: ProgramOptions = {}): Program {
  return startProgram(agentArgv(...args), options);
}

/** Runs `ritmo-agent` to its end. */
export function runAgent(args: readonly string[], options: ProgramOptions = {}): ReturnType<typeof runProgram> {
  return runProgram(agentArgv(...args), options);
}
