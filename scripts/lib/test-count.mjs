/**
 * Turns the reporter's figures and vitest's exit code into the last line of `npm test` and an exit code. Whatever
 * went wrong outside of a test (a file that does not load, an unhandled error, a crash, a leak) counts as one failed.
 */
export function summarize(count, vitestExitCode, leaks, inCi) {
  const { passed, failed, skipped, brokenFiles, unhandledErrors, reason } = count ?? nothing;
  const problems = [...leaks];
  let allFailed = failed + brokenFiles;
  if (count === undefined) problems.push('vitest ended without a report');
  else if (passed + failed + skipped === 0) problems.push('no test ran');
  if (brokenFiles > 0) problems.push(`${brokenFiles} test file(s) failed outside of a test`);
  if (unhandledErrors > 0) problems.push(`${unhandledErrors} unhandled error(s)`);
  if (reason === 'interrupted') problems.push('the run was interrupted');
  if (vitestExitCode !== 0 && allFailed === 0) problems.push(`vitest exited with ${vitestExitCode}`);
  if (problems.length > 0 && allFailed === 0) allFailed = 1;
  if (inCi && skipped > 0) problems.push(`${skipped} test(s) were skipped, which is a failure with CI=true`);
  return {
    exitCode: allFailed > 0 || problems.length > 0 ? 1 : 0,
    problems,
    line: `${passed} passed, ${allFailed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  };
}

const nothing = { passed: 0, failed: 0, skipped: 0, brokenFiles: 0, unhandledErrors: 0, reason: 'failed' };
