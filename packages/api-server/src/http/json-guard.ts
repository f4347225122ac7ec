import { ApiError } from '../errors.js';

const maxDepth = 32;
/** Far more than any call needs; a schema takes its time for each that is wrong. */
const maxValues = 65_536;

/** Parses JSON from outside: bounded depth and number of values, no key twice, no `__proto__`. Throws RITMO_INVALID_REQUEST. */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`The body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkKeys(text);
  return value;
}

/** Walks text that is known to be JSON; what a parser would swallow silently is refused here. */
function checkKeys(text: string): void {
  /** Keys of each open object; nothing for an array. */
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  let values = 0;
  const count = () => {
    if (++values > maxValues) throw invalid(`The body holds more than ${maxValues} values.`);
  };
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[': {
        count();
        const isObject = text[at] === '{';
        if (open.push(isObject ? new Set() : undefined) > maxDepth)
          throw invalid(`The body is nested deeper than ${maxDepth}.`);
        expectsKey = isObject;
        break;
      }
      case '}':
      case ']':
        open.pop();
        expectsKey = false;
        break;
      case ',':
        count();
        expectsKey = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        if (expectsKey) addKey(open.at(-1), JSON.parse(text.slice(at, end + 1)) as string);
        expectsKey = false;
        at = end;
        break;
      }
      default:
    }
  }
}

function addKey(keys: Set<string> | undefined, key: string): void {
  if (key === '__proto__') throw invalid('The key `__proto__` is not allowed.');
  if (keys?.has(key)) throw invalid(`The key ${JSON.stringify(key)} is there twice.`);
  keys?.add(key);
}

/** Index of the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

function invalid(message: string): ApiError {
  return new ApiError('RITMO_INVALID_REQUEST', message);
}
