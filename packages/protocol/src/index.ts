export { type Code, codes, isCode } from './codes.js';
export {
  defaults,
  type Job,
  type JobArtifact,
  type JobInput,
  type JobLimits,
  type JobSource,
  type JobStep,
  job,
  secretNamesOf,
} from './job.js';
export { type JobFileResult, jobFileSchema, parseJobFile } from './job-file/parse.js';
export { formatProblems, type JobProblem } from './job-file/problem.js';
export * from './log-record.js';
export * from './names.js';
export { nearest } from './suggest.js';
export * from './wire/index.js';
export { durationWords, formatDuration, formatSize, parseDuration, parseSize, sizeWords } from './words.js';
