import { type Logger, RitmoError } from '@ritmo/agent-core/executor';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Io } from './io.js';
import { TerminalFilter } from './render/terminal-filter.js';

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

/** The agent's log on stderr: JSON lines, or readable text on a terminal. */
export function agentLog(level: 'debug' | 'info' | 'warn' | 'error', { err }: Io): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters, serializers };
  if (!err.terminal) return pino(options, { write: (line: string) => err.write(line) });
  // What a message quotes of others must not steer the terminal.
  const filter = new TerminalFilter({ colours: err.colours, erase: false });
  const prettify = prettyFactory({
    colorize: err.colours,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    hideObject: level !== 'debug',
    messageFormat: readable,
  });
  return pino(options, { write: (line: string) => err.write(filter.push(prettify(line) ?? '')) });
}

/** The message with the few fields that a person looks for. */
function readable(log: Record<string, unknown>, messageKey: string): string {
  const fields = ['jobId', 'executor', 'worker', 'url'].filter((key) => log[key] !== undefined);
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
