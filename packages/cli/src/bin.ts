#!/usr/bin/env node
import { keepHeapSmall } from './small-heap.js';
import { version } from './version.js';

/**
 * Nobody reads any more (`ritmo-agent logs ID | head`): what runs is stopped as by a signal, so that it cleans up after
 * itself; where nothing listens to signals there is nothing left to do.
 */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.stdout.off('error', endWithReader).on('error', () => undefined);
  if (!process.emit('SIGTERM', 'SIGTERM')) process.exit(0);
}

const argv = process.argv.slice(2);
// A server is not one of many on its machine, and its collector has a fifth less to do with room.
if (argv[0] !== 'api-server') keepHeapSmall();
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  // Without loading anything: scripts ask often.
  process.stdout.write(`${version}\n`);
} else {
  process.stdout.on('error', endWithReader);
  // There is nowhere left to say it, and what runs goes on.
  process.stderr.on('error', () => undefined);
  const { env } = process;
  void Promise.all([import('./main.js'), import('./io.js')])
    .then(([{ main }, { outputTo }]) =>
      main(argv, { out: outputTo(process.stdout, env), err: outputTo(process.stderr, env), env }),
    )
    .then((code) => process.exit(code))
    .catch((error: unknown) => {
      // Only where the program itself cannot be loaded.
      process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)} (RITMO_INTERNAL)\n`);
      process.exit(70);
    });
}
