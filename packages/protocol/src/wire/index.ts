export * from './artifact.js';
export * from './common.js';
export * from './finish.js';
export * from './log.js';
export * from './log.js';
export * from './people.js';
export * from './worker.js';
