export { MaskSet } from './mask-set.js';
export { LogRecorder } from './recorder.js';
export { LogSender } from './sender.js';
export { Spool } from './spool.js';
