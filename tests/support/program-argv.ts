import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './workspace.js';

/**
 * The command line of a program of this repository; of the packages it runs what is built (`buildPackages`), as users
 * do. RITMO_TEST_CLOCK sets its clocks.
 */
export function programArgv(file: string, ...args: readonly string[]): [string, ...string[]] {
  const clock = ['--import', join(root, 'tests', 'support', 'set-clock.mjs')];
  const typescript = file.endsWith('.ts') ? ['--import', fileURLToPath(import.meta.resolve('tsx'))] : [];
  return [process.execPath, ...typescript, ...clock, join(root, file), ...args];
}
