import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftFiles, leftProcesses, runMarker } from './lib/leaks.mjs';
import { inRoot } from './lib/paths.mjs';
import { run, toolEnvironment } from './lib/run.mjs';
import { main, say } from './lib/say.mjs';
import { summarize } from './lib/test-count.mjs';

/** How long processes may take to end after their test has, in milliseconds. */
const endWithinMs = 2000;

/**
 * Runs vitest with the given arguments in a folder for temporary files of its own, looks for what the tests have
 * left behind, and ends in a line that counts the tests.
 */
await main(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-test-'));
  try {
    // Builds run as other users and must get to their workspaces.
    await chmod(folder, 0o711);
    const temporary = join(folder, 't');
    await mkdir(temporary);
    await chmod(temporary, 0o1777);

    const report = join(folder, 'count.json');
    const code = await vitest(process.argv.slice(2), {
      RITMO_TEST_COUNT: report,
      TMPDIR: temporary,
      [runMarker]: basename(folder),
    });
    const leaks = [
      ...(await leakedProcesses(basename(folder))),
      ...leftFiles(temporary).map((name) => `left in TMPDIR: ${name}`),
    ];
    const { exitCode, problems, line } = summarize(await readReport(report), code, leaks, process.env.CI === 'true');
    for (const problem of problems) say(problem);
    process.stdout.write(`${line}\n`);
    return exitCode;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

function vitest(args, environment) {
  const reporters = ['--reporter=default', `--reporter=${inRoot('scripts', 'lib', 'count-reporter.mjs')}`];
  return run(process.execPath, [inRoot('node_modules', 'vitest', 'vitest.mjs'), 'run', ...reporters, ...args], {
    env: { ...toolEnvironment(), ...environment },
  });
}

/** Waits a moment for processes that are about to end, then ends the others and names them. */
async function leakedProcesses(marker) {
  const until = Date.now() + endWithinMs;
  while (leftProcesses(marker).length > 0 && Date.now() < until) await sleep(50);
  return leftProcesses(marker).map(({ pid, command }) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
    return `left running: ${command}`;
  });
}

async function readReport(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}
