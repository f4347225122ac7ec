export { MaskSet } from './mask-set.js';
export type { MaskStream } from './mask-stream.js';
export { LogRecorder, type OpenLogOptions, type ReopenLogOptions } from './recorder.js';
export type { StepEnd } from './records.js';
export { LogSender, type LogSenderOptions } from './sender.js';
export { defaultMaxLogBytes, type LogSource, Spool, type SpoolEnd, type SpoolOptions } from './spool.js';
