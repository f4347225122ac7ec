import { type Logger, RitmoError } from '@ritmo/agent-core/executor';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import { TerminalFilter } from '@ritmo/protocol';
import type { Io } from './io.js';

/** Levels by their names. */
const formatters = { level: (label: string) => ({ level: label }) };

/** Errors with a code say all with it; the stack is for defects. */
const serializers = {
  err: (error: unknown) =>
    error instanceof RitmoError && error.code !== 'RITMO_INTERNAL'
      ? { type: error.name, code: error.code, message: error.message, hint: error.hint }
      : error instanceof Error
        ? pino.stdSerializers.err(error)
        : error,
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A log whose level can be changed while it is used, for all that was made of it too. */
export type AgentLog = Logger & { setLevel(level: LogLevel): void };

/** The agent's log on stderr: JSON lines, or readable text on a terminal. */
export function agentLog(level: LogLevel, { err }: Io): AgentLog {
  const { values } = pino.levels;
  let least = values[level] ?? 0;
  let shown = level;
  const options: pino.LoggerOptions = {
    level: 'debug',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters,
    serializers,
    hooks: {
      // The level of pino's children stays what it was when they were made.
      logMethod(args, method, number) {
        if (number >= least) method.apply(this, args);
      },
    },
  };
  const adjustable = (logger: Logger): AgentLog =>
    Object.assign(logger, {
      setLevel(next: LogLevel) {
        least = values[next] ?? 0;
        shown = next;
      },
    });
  if (!err.terminal) return adjustable(pino(options, { write: (line: string) => err.write(line) }));
  // What a message quotes of others must not steer the terminal.
  const filter = new TerminalFilter({ colours: err.colours, erase: false });
  const pretty = (hideObject: boolean) =>
    prettyFactory({
      colorize: err.colours,
      translateTime: 'SYS:HH:MM:ss',
      ignore: 'pid,hostname',
      hideObject,
      messageFormat: readable,
    });
  const [brief, whole] = [pretty(true), pretty(false)];
  const write = (line: string) => err.write(filter.push((shown === 'debug' ? whole : brief)(line) ?? ''));
  return adjustable(pino(options, { write }));
}

const shownFields = ['jobName', 'state', 'outcome', 'reason', 'why', 'job', 'jobId', 'executor', 'worker', 'url'];

/** The message with the few fields that a person looks for. */
function readable(log: Record<string, unknown>, messageKey: string): string {
  const fields = shownFields.filter((key) => log[key] !== undefined);
  const shown = fields.map((key) => `${key}=${text(log[key])}`).join(' ');
  const reason =
    typeof log['err'] === 'object' && log['err'] !== null && 'message' in log['err']
      ? `: ${text(log['err'].message)}`
      : '';
  return `${text(log[messageKey])}${reason}${shown === '' ? '' : ` (${shown})`}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
