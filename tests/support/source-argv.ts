import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './workspace.js';

/** The command line of a program of this repository, from its sources. RITMO_TEST_CLOCK sets its clocks. */
export function sourceArgv(file: string, ...args: readonly string[]): [string, ...string[]] {
  const tsx = fileURLToPath(import.meta.resolve('tsx'));
  const clock = join(root, 'tests', 'support', 'set-clock.ts');
  const node = ['--import', tsx, '--import', clock, '--conditions=@ritmo/source'];
  return [process.execPath, ...node, join(root, file), ...args];
}
