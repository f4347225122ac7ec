import type { Logger } from './executor/host.js';

/** Says nothing: the default of an embedded agent. */
export const silentLogger: Logger = {
  child: () => silentLogger,
  debug() {},
  info() {},
  warn() {},
  error() {},
};

/** Whether a value has what a `Logger` has: `console` has no `child`. */
export function isLogger(value: unknown): value is Logger {
  const logger = value as Partial<Logger> | null | undefined;
  return (['child', 'debug', 'info', 'warn', 'error'] as const).every((name) => typeof logger?.[name] === 'function');
}

/** A logger whose messages and texts pass through `mask`, for everything that is said about one build. */
export function maskedLogger(log: Logger, mask: (text: string) => string): Logger {
  const clean = (value: unknown, depth = 0): unknown => {
    if (typeof value === 'string') return mask(value);
    if (value instanceof Error) {
      return { type: value.name, code: (value as { code?: unknown }).code, message: mask(value.message) };
    }
    if (typeof value !== 'object' || value === null) return value;
    if (depth > 4) return '[deep]';
    if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, clean(item, depth + 1)]));
  };
  const fields = (value: object) => clean(value) as object;
  return {
    child: (extra) => maskedLogger(log.child(fields(extra)), mask),
    debug: (extra, message) => log.debug(fields(extra), mask(message)),
    info: (extra, message) => log.info(fields(extra), mask(message)),
    warn: (extra, message) => log.warn(fields(extra), mask(message)),
    error: (extra, message) => log.error(fields(extra), mask(message)),
  };
}
