import { run } from './lib/run.mjs';
import { main, say } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** The gates, quick ones first. Each is a script of package.json, so that it can be run alone. */
const gates = ['format:check', 'lint', 'typecheck', 'unused', 'workspace:check', 'build', 'pack:check'];

/** `npm run check`: runs every gate, also after one has failed, and says at the end which did. */
await main(async () => {
  await setup();
  const failed = [];
  for (const gate of gates) {
    const started = performance.now();
    const code = await run('pnpm', ['--silent', 'run', gate]);
    if (code !== 0) failed.push(gate);
    say(
      `${gate} ${code === 0 ? 'passed' : `FAILED (exit code ${code})`} in ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  }
  say(failed.length === 0 ? `all ${gates.length} gates passed` : `gates that failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
});
