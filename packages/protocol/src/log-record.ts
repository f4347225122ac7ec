import { z } from 'zod';
import { epoch, jobId } from './names.js';

/** Milliseconds since the `start` of the header record. */
const t = z.int().min(0);
const step = z.int().min(0);

/**
 * The log: one append-only file per (job, epoch), newline-delimited JSON. The spool of the agent and the
 * copy of the server are the same file, byte for byte; offsets count its bytes.
 */
export const logHeader = z.object({ k: z.literal('log'), v: z.literal(1), job: jobId, epoch, start: z.iso.datetime() });
export const logStepStart = z.object({ t, k: z.literal('step'), s: step, name: z.string(), cmd: z.string() });
export const logOutput = z.object({
  t,
  k: z.literal('out'),
  s: step,
  fd: z.union([z.literal(1), z.literal(2)]),
  m: z.string(),
});
export const logStepEnd = z.object({
  t,
  k: z.literal('end'),
  s: step,
  code: z.int().optional(),
  signal: z.string().optional(),
  /** Why the step was stopped. */
  reason: z.string().optional(),
  /** The limit that ended it. */
  limit: z.string().optional(),
});
export const logNote = z.object({ t, k: z.literal('note'), level: z.enum(['info', 'warn', 'error']), m: z.string() });

/** One line of the log. A reader skips records whose `k` it does not know. */
export const logRecord = z.discriminatedUnion('k', [logHeader, logStepStart, logOutput, logStepEnd, logNote]);
export type LogRecord = z.output<typeof logRecord>;
export type LogHeader = z.output<typeof logHeader>;
export type LogStepEnd = z.output<typeof logStepEnd>;
export type LogNoteLevel = z.output<typeof logNote>['level'];

/** Longest text of one `out` record, in UTF-8 bytes before it is written as JSON. */
export const maxOutputBytes = 65_536;
/** Most bytes in one append to the log. */
export const maxAppendBytes = 4 * 1024 * 1024;
