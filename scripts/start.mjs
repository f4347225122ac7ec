import { run } from './lib/run.mjs';
import { main } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** `npm start [-- ARGS]`: sets the machine up, then runs the demonstration with the same arguments. */
await main(async () => {
  await setup();
  const demo = ['--import', 'tsx', '--conditions=@ritmo/source', 'examples/demo/main.ts'];
  return run(process.execPath, [...demo, ...process.argv.slice(2)], { stdio: 'inherit' });
});
