import { z } from 'zod';

/** Milliseconds of each unit of time, longest first. */
const timeUnits: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };

/** Bytes of each unit of size: powers of 1,000 and of 1,024. */
const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const durationPattern = /^(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?$/;
const sizePattern = /^(\d+(?:\.\d+)?)(kB|[KMGT]B|[KMGT]iB|B)$/;

/**
 * Milliseconds of `90s`, `30m`, `1h30m`, `24h`, `30d` or `250ms`: whole numbers with their units, longest first.
 * Undefined where the text is none; a number without a unit is none.
 */
export function parseDuration(text: string): number | undefined {
  if (text === '' || !durationPattern.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit = ''] of text.matchAll(/(\d+)(ms|[dhms])/g))
    total += Number(amount) * (timeUnits[unit] ?? 0);
  return Number.isSafeInteger(total) ? total : undefined;
}

/** The shortest exact words for whole milliseconds: `1h30m`, `0ms`. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, length] of Object.entries(timeUnits)) {
    const amount = Math.floor(rest / length);
    if (amount > 0) text += `${amount}${unit}`;
    rest -= amount * length;
  }
  return text === '' ? '0ms' : text;
}

/** A measured duration as a person reads it, rounded: `340 ms`, `12.3 s`, `2 min 5 s`, `1 h 3 min`. */
export function showDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Bytes of `512MiB`, `2GB`, `1.5GiB` or `100B`. Undefined where the text is none: the unit is never left out, since
 * nobody can tell what `512` means, nor `512M`.
 */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ''] = sizePattern.exec(text) ?? [];
  if (amount === undefined) return undefined;
  const bytes = Number(amount) * (sizeUnits[unit] ?? 0);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact words for whole bytes: `2GiB`, `1500kB`, `7B`. */
export function formatSize(bytes: number): string {
  const spellings = Object.entries(sizeUnits)
    .filter(([unit, length]) => unit !== 'KB' && bytes > 0 && bytes % length === 0)
    .map(([unit, length]) => `${bytes / length}${unit}`);
  return spellings.reduce((best, spelling) => (spelling.length < best.length ? spelling : best), `${bytes}B`);
}

/** A schema of words: text in, a positive whole number out; what is wrong is said with examples. */
function words(parse: (text: string) => number | undefined, noun: string, examples: string, units: readonly string[]) {
  const advice = `write ${examples}`;
  const error = ({ input }: { readonly input?: unknown }) => {
    if (typeof input !== 'number') return `must be a ${noun}: ${advice}`;
    return `${input} has no unit: write ${units.map((unit) => `${input}${unit}`).join(' or ')}`;
  };
  return z.string({ error }).transform((text, context) => {
    const value = parse(text);
    if (value !== undefined && value > 0) return value;
    const problem = value === 0 ? 'must be more than 0' : `${JSON.stringify(text)} is not a ${noun}: ${advice}`;
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  });
}

/** A duration in words, read as milliseconds. */
export const durationWords = () => words(parseDuration, 'duration', '90s, 30m, 1h30m, 24h or 30d', ['s', 'm']);

/** A size in words, read as bytes. */
export const sizeWords = () => words(parseSize, 'size', '512MiB, 10GiB or 2GB', ['MiB', 'GiB']);

/** A size in the largest unit that keeps it above one. */
export function showSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}
