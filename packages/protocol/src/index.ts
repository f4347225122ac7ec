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
export * from './log-record.js';
export * from './names.js';
export * from './wire/index.js';
