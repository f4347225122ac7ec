import type { z } from 'zod';
import { nearest } from '../suggest.js';
import type { Path } from './problem.js';
import type { KeyIndex } from './schema-keys.js';

/** A mistake at a path of the job. */
export interface Finding {
  readonly path: Path;
  /** True where the key is what is wrong, not its value. */
  readonly key: boolean;
  readonly message: string;
  readonly hint?: string;
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];
type Issue = z.core.$ZodIssue;

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

const kindOf = (value: unknown): string => {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'boolean' || typeof value === 'number') return `${value}`;
  return typeof value === 'string' ? 'text' : 'a map';
};

/** Words for an issue that its schema has none for. */
export function describeIssue(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      if (issue.expected === 'string' && (typeof issue.input === 'number' || typeof issue.input === 'boolean'))
        return `must be text, not ${kindOf(issue.input)}: put it in quotes, "${issue.input}"`;
      return `must be ${kinds[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`;
    case 'invalid_value':
      if (issue.input === undefined) return 'is missing';
      return `must be ${orList(issue.values.map(String))}, not ${JSON.stringify(issue.input)}`;
    case 'too_small':
      if (issue.minimum === 1 && issue.origin !== 'number') return 'must not be empty';
      return issue.inclusive === false
        ? `must be more than ${issue.minimum}`
        : `must be at least ${amount(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `must be at most ${amount(issue.origin, issue.maximum)}`;
    default:
      return undefined;
  }
}

function orList(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function amount(origin: string, value: number | bigint): string {
  if (origin === 'string') return `${value} characters long`;
  return origin === 'array' ? `${value} entries long` : `${value}`;
}

/** Each issue as one finding or several, made when they are asked for: one for each unknown key, those of the branch that was meant for a union. */
export function* findingsOf(
  issues: readonly Issue[],
  value: unknown,
  keys: KeyIndex,
  base: Path = [],
): Generator<Finding, void, void> {
  for (const issue of issues) {
    const path = [...base, ...issue.path.map((part) => (typeof part === 'number' ? part : String(part)))];
    switch (issue.code) {
      case 'unrecognized_keys':
        for (const key of issue.keys) yield unknownKey(key, path, keys);
        break;
      case 'invalid_key':
        for (const { message } of issue.issues) yield { path, key: true, message };
        break;
      case 'invalid_union': {
        const meant = issue.errors.find((errors) => !errors.some(isWrongKind));
        if (meant !== undefined) yield* findingsOf(meant, value, keys, path);
        else yield wrongKind(issue.errors, valueAt(value, path), path);
        break;
      }
      default: {
        const hint = hintFor(issue, valueAt(value, path));
        yield { path, key: false, message: issue.message, ...(hint === undefined ? {} : { hint }) };
      }
    }
  }
}

function wrongKind(branches: readonly (readonly Issue[])[], found: unknown, path: Path): Finding {
  const wanted = branches.flatMap((errors) =>
    errors.filter(isWrongKind).map(({ expected }) => kinds[expected] ?? expected),
  );
  const message = found === undefined ? 'is missing' : `must be ${orList(wanted)}, not ${kindOf(found)}`;
  return { path, key: false, message };
}

function isWrongKind(issue: Issue): issue is z.core.$ZodIssueInvalidType {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}

function unknownKey(key: string, path: Path, keys: KeyIndex): Finding {
  const here = keys.at(path);
  const meant = nearest(key, here);
  const elsewhere = keys.placesOf(key);
  const hint =
    meant !== undefined
      ? `Did you mean \`${meant}\`?`
      : elsewhere !== undefined
        ? `\`${key}\` belongs ${elsewhere}.`
        : `Known here: ${here.join(', ')}.`;
  return { path: [...path, key], key: true, message: 'there is no such key', hint };
}

function hintFor(issue: Issue, value: unknown): string | undefined {
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const meant = nearest(
      value,
      issue.values.filter((known): known is string => typeof known === 'string'),
    );
    return meant === undefined ? undefined : `Did you mean \`${meant}\`?`;
  }
  return undefined;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, part) => (isRecord(inner) ? inner[part] : undefined), value);
}

function isRecord(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === 'object' && value !== null;
}
