export { type CacheKeyPiece, parseCacheKey } from './cache-key.js';
export { type Code, codes, isCode } from './codes.js';
export {
  defaults,
  type Job,
  type JobArtifact,
  type JobCache,
  type JobInput,
  type JobLimits,
  type JobSource,
  type JobStep,
  job,
  secretNamesOf,
} from './job.js';
export { describeIssue } from './job-file/issues.js';
export { type JobFileResult, type JobProblem, jobFileSchema, parseJobFile } from './job-file/parse.js';
export { type FileProblem, formatProblems } from './job-file/problem.js';
export { type FileResult, parseYamlFile } from './job-file/yaml-file.js';
export { type LogLine, LogLineSplitter } from './log-reader.js';
export * from './log-record.js';
export * from './names.js';
export { nearest } from './suggest.js';
export { oneLine, TerminalFilter, type TerminalFilterOptions } from './terminal-text.js';
export * from './wire/index.js';
export {
  durationWords,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  showDuration,
  showSize,
  sizeWords,
} from './words.js';
