import { z } from 'zod';

// The control characters are what is refused.
// oxlint-disable-next-line no-control-regex
const controlCharacters = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Text that a person sees on a terminal: no control or direction characters, so that it can forge nothing. */
export const displayText = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !controlCharacters.test(text), 'control characters are not allowed');

/**
 * What a worker says, as people are shown it: cut after `max` characters, a space for each control or direction character.
 * Not refused for them: the report of a build counts more than its words.
 */
export const shownText = (max: number) =>
  z.string().overwrite((text) =>
    text
      .slice(0, max)
      .replace(/[\ud800-\udbff]$/, '')
      .replaceAll(new RegExp(controlCharacters, 'g'), ' '),
  );

/** Name of an environment variable. */
export const variableName = z
  .string()
  .max(256)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and underscores, and not begin with a digit')
  .refine((name) => name !== '__proto__', 'is not allowed');

/** Name of a secret: a variable name that is not one of ours. */
export const secretName = variableName.refine((name) => !name.startsWith('RITMO_'), 'RITMO_ is reserved');

/** Value of an environment variable: everything but NUL, which no process can receive. */
export const variableValue = z
  .string()
  .max(131_072)
  .refine((value) => !value.includes('\u0000'), 'a NUL byte is not allowed');

/** Environment as a job writes it. */
export const environment = z.record(variableName, variableValue);

/** Key of a label. */
export const labelKey = z
  .string()
  .max(63)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$/, 'must be letters, digits, and . _ / - between them');

/** Labels of a worker, or those that a job asks for: all must match. */
export const labels = z.record(labelKey, displayText(255));

/** Name of an executor, a service or an artifact. */
export const shortName = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9@]([A-Za-z0-9._/@-]*[A-Za-z0-9])?$/, 'must be letters, digits, and . _ / @ - between them')
  .refine(
    (name) => !name.split('/').some((part) => part === '' || part === '.' || part === '..'),
    'must not hold a part that is empty, `.` or `..`',
  );

/** Path inside the workspace: relative, '/'-separated, without `..`. Globs are paths too. */
export const workspacePath = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes('\u0000'), 'a NUL byte is not allowed')
  .refine((path) => !path.startsWith('/') && !/^[A-Za-z]:[\\/]/.test(path), 'must be relative to the workspace')
  .refine((path) => !path.split(/[\\/]/).includes('..'), 'must not contain `..`');

/** Id of a job: chosen by the server. */
export const jobId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
/** Number of an attempt, raised at every hand-out; it fences every write. */
export const epoch = z.int().min(1);
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
