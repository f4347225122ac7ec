import { inRoot } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { installS3Server } from './lib/s3-server.mjs';
import { main } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** `npm test [-- ARGS]`: sets the machine up, then runs all tests, or those that the arguments name. */
await main(async () => {
  await setup();
  await installS3Server();
  return run(process.execPath, [inRoot('scripts', 'run-tests.mjs'), ...process.argv.slice(2)]);
});
