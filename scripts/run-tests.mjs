import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inRoot } from './lib/paths.mjs';
import { run, toolEnvironment } from './lib/run.mjs';
import { main, say } from './lib/say.mjs';
import { summarize } from './lib/test-count.mjs';

/** Runs vitest with the given arguments, and ends in a line that counts the tests. */
await main(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-test-'));
  try {
    const report = join(folder, 'count.json');
    const code = await vitest(report, process.argv.slice(2));
    const { exitCode, problems, line } = summarize(await readReport(report), code, process.env.CI === 'true');
    for (const problem of problems) say(problem);
    process.stdout.write(`${line}\n`);
    return exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function vitest(report, args) {
  const reporters = ['--reporter=default', `--reporter=${inRoot('scripts', 'lib', 'count-reporter.mjs')}`];
  return run(process.execPath, [inRoot('node_modules', 'vitest', 'vitest.mjs'), 'run', ...reporters, ...args], {
    env: { ...toolEnvironment(), RITMO_TEST_COUNT: report },
  });
}

async function readReport(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}
