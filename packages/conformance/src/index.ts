export { type Case, type CaseBody, caseMaker, limitOf } from './case.js';
export { type CheckOptions, type Checkup, type Command, type Output, runCommand } from './command.js';
export { formatJunit } from './junit.js';
export { formatReport } from './report.js';
export { type Report, runCases, type RunOptions } from './run.js';
export { type CaseResult, type CaseStatus, runOne, type Runner } from './run-case.js';
export { timed, within } from './within.js';
