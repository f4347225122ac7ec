import type { Output } from '../io.js';

/** Control characters but the newline, and those that turn the direction of text around. */
// oxlint-disable-next-line no-control-regex
const steering = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * JSON for programs, as it is. Where a person looks at it, what would steer the terminal stands there as an escape: in JSON
 * that means the same.
 */
export function jsonText(json: string, { terminal }: Pick<Output, 'terminal'>): string {
  if (!terminal) return json;
  return json.replaceAll(steering, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
