import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, type ProgramOptions, runProgram, startProgram } from '../support/program.js';
import { root } from '../support/workspace.js';

/** The command line of a program below examples/ or tests/, against the sources of our packages. */
function argvOf(file: string, args: readonly string[]): [string, ...string[]] {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  return [process.execPath, '--import', tsx, '--conditions=@ritmo/source', join(root, file), ...args];
}

export function startExample(file: string, args: readonly string[], options: ProgramOptions = {}): Program {
  return startProgram(argvOf(file, args), options);
}

export function runExample(file: string, args: readonly string[], options: ProgramOptions = {}) {
  return runProgram(argvOf(file, args), options);
}
