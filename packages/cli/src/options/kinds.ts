import { durationWords, formatSize, sizeWords } from '@ritmo/protocol';
import { normalize } from 'node:path';
import { z } from 'zod';

/** One setting. Its flag, its variable and its key in the config file all come from here. */
export interface Option<Value = unknown> {
  /** Without the dashes; made from the key where absent. */
  readonly flag?: string;
  /** What stands for the value in the help; absent for a switch. */
  readonly value?: string;
  /** What it can be, or what mostly stands there; for completion. */
  readonly words?: readonly string[];
  /** The flag may stand several times. */
  readonly repeat: boolean;
  /** What a variable holds, as texts of flags; one text where absent. */
  readonly fromVariable?: (variable: string) => readonly string[];
  /** One line of the help, without a full stop. */
  readonly about: string;
  /** For the help, where it is not in the schema. */
  readonly defaultText?: string;
  /** As the config file spells it; a value that is not given is `undefined`. */
  readonly schema: z.ZodType<Value>;
  /** What flags and variables say, in the spelling of the config file. */
  readonly fromTexts: (texts: readonly string[]) => unknown;
}

interface Words {
  readonly about: string;
  readonly words?: readonly string[];
  readonly value?: string;
  readonly flag?: string;
  readonly defaultText?: string;
}

const byCommas = (variable: string) => variable.split(',').map((text) => text.trim());
const last = (texts: readonly string[]): string => texts.at(-1) ?? '';

/** Text, or nothing. */
export function text(words: Words, schema = z.string().min(1)): Option<string | undefined> {
  return { value: 'TEXT', ...words, repeat: false, schema: schema.optional(), fromTexts: last };
}

/** Text with a default. */
export function textOr(fallback: string, words: Words): Option<string> {
  return {
    value: 'TEXT',
    defaultText: fallback,
    ...words,
    repeat: false,
    schema: z.string().min(1).default(fallback),
    fromTexts: last,
  };
}

/** One of some words. */
export function choice<const Values extends readonly [string, ...string[]]>(
  values: Values,
  fallback: NoInfer<Values[number]>,
  words: Words,
): Option<Values[number]> {
  // `default` of an enum wants its output type, which is the same.
  const schema: z.ZodType<Values[number]> = z
    .enum(values)
    .optional()
    .transform((value) => value ?? fallback);
  return {
    value: values.join('|'),
    words: values,
    defaultText: fallback,
    ...words,
    repeat: false,
    schema,
    fromTexts: last,
  };
}

/** One of some words, or nothing. */
export function oneOf<const Values extends readonly [string, ...string[]]>(
  values: Values,
  words: Words,
): Option<Values[number] | undefined> {
  return {
    value: values.join('|'),
    words: values,
    ...words,
    repeat: false,
    schema: z.enum(values).optional(),
    fromTexts: last,
  };
}

/** A whole number. */
export function integer(
  range: { readonly min: number; readonly max: number; readonly fallback: number },
  words: Words,
): Option<number> {
  return {
    value: 'N',
    defaultText: String(range.fallback),
    ...words,
    repeat: false,
    schema: z.int().min(range.min).max(range.max).default(range.fallback),
    fromTexts: (texts) => (/^-?\d{1,15}(\.\d+)?$/.test(last(texts)) ? Number(last(texts)) : last(texts)),
  };
}

/** How many, from 1 on, or nothing. */
export function count(words: Words): Option<number | undefined> {
  return {
    value: 'N',
    ...words,
    repeat: false,
    schema: z.int().min(1).max(1_000_000_000).optional(),
    fromTexts: (texts) => (/^-?\d{1,15}(\.\d+)?$/.test(last(texts)) ? Number(last(texts)) : last(texts)),
  };
}

/** An address to listen on or to ask: `HOST:PORT`, or a port of this machine. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPV6]:PORT`, or a port alone, which means 127.0.0.1. */
export function hostPort(words: Words): Option<HostPort | undefined> {
  const schema = z
    .string()
    .regex(/^((\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+)?:)?\d{1,5}$/, 'must be written HOST:PORT')
    .transform((address): HostPort => {
      const cut = address.lastIndexOf(':');
      const host = address.slice(0, Math.max(cut, 0)).replace(/^\[(.*)\]$/, '$1');
      return { host: host === '' ? '127.0.0.1' : host, port: Number(address.slice(cut + 1)) };
    })
    .refine(({ port }) => port <= 65_535, 'has a port above 65535');
  return { value: 'HOST:PORT', ...words, repeat: false, schema: schema.optional(), fromTexts: last };
}

/** On or off; off by default. */
export function toggle(words: Words): Option<boolean> {
  const spoken: Readonly<Record<string, boolean>> = {
    true: true,
    '1': true,
    yes: true,
    false: false,
    '0': false,
    no: false,
  };
  return {
    ...words,
    repeat: false,
    schema: z.boolean().default(false),
    fromTexts: (texts) => spoken[last(texts)] ?? last(texts),
  };
}

/** Several texts. */
export function list(words: Words, item = z.string().min(1)): Option<readonly string[]> {
  return {
    value: 'TEXT',
    ...words,
    repeat: true,
    fromVariable: byCommas,
    schema: z.array(item).default([]),
    fromTexts: (texts) => texts,
  };
}

/** A path from the root on, without `.` and `..`. */
export const isPlainPath = (path: string): boolean => path.startsWith('/') && path !== '/' && normalize(path) === path;

/** Folders of this host. */
export function folders(words: Words): Option<readonly string[]> {
  return list(words, z.string().refine(isPlainPath, { error: 'must be an absolute path without `.` and `..`' }));
}

/** `PATH[:INSIDE][:rw]`. */
export function bindings(words: Words): Option<readonly string[]> {
  const item = z.string().refine((text) => bindingOf(text) !== undefined, {
    error: 'must be written PATH[:INSIDE][:rw], with absolute paths without `.` and `..`',
  });
  return list(words, item);
}

/** What a text of `bindings` means; undefined for one that is none. */
export function bindingOf(text: string) {
  const parts = text.split(':');
  const access = parts.length > 1 && /^r[ow]$/.test(parts.at(-1) ?? '') ? parts.pop() : 'ro';
  const [source, target] = parts;
  if (source === undefined || parts.length > 2 || !parts.every(isPlainPath)) return undefined;
  return { source, ...(target !== undefined && { target }), ...(access === 'rw' && { access: 'read-write' }) };
}

/** Names with values, `NAME=VALUE` in flags and variables, a map in the file. */
export function pairs(
  schema: z.ZodType<Readonly<Record<string, string>>>,
  words: Words,
): Option<Readonly<Record<string, string>>> {
  return {
    value: 'NAME=VALUE',
    ...words,
    repeat: true,
    fromVariable: byCommas,
    schema: schema.default({}),
    fromTexts(texts) {
      const entries = texts.map(
        (entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const,
      );
      // What has no `=` is left as a list, which the schema refuses.
      return texts.every((entry) => entry.indexOf('=') > 0) ? Object.fromEntries(entries) : texts;
    },
  };
}

/** A duration in words, read as milliseconds. */
export function duration(words: Words): Option<number | undefined> {
  return { value: 'DURATION', ...words, repeat: false, schema: durationWords().optional(), fromTexts: last };
}

/** As `size`, and `0` for none. */
export function sizeOrNone(words: Words): Option<number | undefined> {
  const none = z.literal('0').transform(() => 0);
  const error = ({ input }: { readonly input?: unknown }) =>
    `"${String(input)}" is not a size: write 512MiB, 10GiB or 2GB, or 0 for nothing`;
  const schema = z.union([none, sizeWords()], { error }).optional();
  return { value: 'SIZE', ...words, repeat: false, schema, fromTexts: last };
}

/** A size in words, read as bytes. */
export function size(words: Words, min = 1): Option<number | undefined> {
  const schema = sizeWords().refine((bytes) => bytes >= min, { error: `must be at least ${formatSize(min)}` });
  return { value: 'SIZE', ...words, repeat: false, schema: schema.optional(), fromTexts: last };
}

/** A map of options for each of several names: `NAME=JSON` in flags, a JSON object in the variable, a map in the file. */
export function optionsByName(words: Words): Option<Readonly<Record<string, unknown>>> {
  return {
    value: 'NAME=JSON',
    ...words,
    repeat: true,
    schema: z.record(z.string(), z.record(z.string(), z.unknown(), { error: mapWanted })).default({}),
    // What names no executor is left as a list, which the schema refuses.
    fromTexts(texts) {
      const maps = texts.map(namedJson);
      return maps.every(isMap) ? Object.assign({}, ...maps) : texts;
    },
  };
}

const mapWanted = 'must be a map (as a flag: a JSON object, NAME={"key": "value"})';
const isMap = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

function namedJson(entry: string): unknown {
  const name = /^([^={]+)=/.exec(entry)?.[1];
  if (name === undefined) return parseJson(entry);
  return { [name]: parseJson(entry.slice(name.length + 1)) };
}

/** The value, or the text itself where it is no JSON: the schema then says what is wrong. */
function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return content;
  }
}
