import { encodingsOf } from './encodings.js';

/** Values with fewer bytes are not masked: they would hide half of the log. */
export const shortestSecret = 4;
/** Encodings of which fewer characters are certain are left out. */
const shortestEncoding = 8;

/** Everything to look for so that a secret does not show; empty where it is too short to be masked. */
export function patternsOf(secret: string): readonly Uint8Array[] {
  // What a file or a command substitution adds or takes at the end is no part of the secret.
  const value = secret.replace(/[\r\n]+$/, '');
  const whole = Buffer.from(value, 'utf8');
  if (whole.length < shortestSecret) return [];

  const lines = value.split(/\r?\n/);
  const spellings = new Set([value, lines.join('\n'), lines.join('\r\n')]);
  const raw = [...spellings, ...lines.map((line) => line.trim()).filter((line) => /[\p{L}\p{N}]/u.test(line))];
  const encoded = [...spellings].flatMap((spelling) => encodingsOf(Buffer.from(spelling, 'utf8')));

  const patterns = new Map<string, Uint8Array>();
  const add = (text: string, least: number): void => {
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.length >= least) patterns.set(text, bytes);
  };
  for (const text of raw) add(text, shortestSecret);
  for (const text of encoded) add(text, shortestEncoding);
  return [...patterns.values()];
}
