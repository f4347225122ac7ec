import { RitmoError } from '@ritmo/agent-core/executor';
import type { S3Settings } from './options.js';

/** Longest key of S3, in bytes. */
const maxKeyBytes = 1024;

export interface KeyFacts {
  readonly job: string;
  readonly attempt: number;
  readonly name: string;
  readonly path: string;
}

/** The key of a file. A `/` in the name of an artifact is written `%2F`, so that no two artifacts meet. */
export function objectKey({ prefix, key }: Pick<S3Settings, 'prefix' | 'key'>, facts: KeyFacts): string {
  const words: Readonly<Record<string, string>> = {
    '{job}': facts.job,
    '{attempt}': String(facts.attempt),
    '{name}': facts.name.replaceAll('%', '%25').replaceAll('/', '%2F'),
    '{path}': facts.path,
  };
  const filled = key.replaceAll(/\{(?:job|attempt|name|path)\}/g, (word) => words[word] ?? word);
  const whole = below(prefix, filled);
  if (Buffer.byteLength(whole) > maxKeyBytes) {
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', `The key of ${facts.path} is longer than ${maxKeyBytes} bytes.`, {
      hint: 'Use a shorter prefix, or shorter paths.',
      retryable: false,
    });
  }
  return whole;
}

/** `name` below a prefix that may be empty. */
export function below(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}/${name}`;
}
