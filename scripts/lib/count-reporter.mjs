import { writeFileSync } from 'node:fs';

/** A vitest reporter that writes how many tests passed, failed and were skipped into $RITMO_TEST_COUNT. */
export default class CountReporter {
  onTestRunEnd(testModules, unhandledErrors, reason) {
    const count = { passed: 0, failed: 0, skipped: 0, brokenFiles: 0, unhandledErrors: unhandledErrors.length, reason };
    for (const module of testModules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') count.passed += 1;
        else if (state === 'failed') failedHere += 1;
        else count.skipped += 1;
      }
      count.failed += failedHere;
      if (failedHere === 0 && module.state() === 'failed') count.brokenFiles += 1;
    }
    writeFileSync(process.env.RITMO_TEST_COUNT, JSON.stringify(count));
  }
}
