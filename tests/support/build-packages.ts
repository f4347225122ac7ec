import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './workspace.js';

/** Vitest global set-up: builds what has changed of the packages, for tests that run their programs. */
export default function buildPackages(): void {
  const turbo = join(root, 'node_modules', '.bin', 'turbo');
  const args = ['run', 'build', '--filter=./packages/*', '--output-logs=errors-only'];
  const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
  execFileSync(turbo, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'inherit'] });
}
