import { type ErrorAnswer, errorAnswer } from '@ritmo/protocol';
import type { z } from 'zod';
import { type Code, isCode, RitmoError } from '../errors.js';
import type { HttpAnswer } from './http-client.js';

/** An answer that is the server's word. */
export type Settled<T> =
  | { readonly kind: 'ok'; readonly status: number; readonly value: T }
  | { readonly kind: 'refused'; readonly status: number; readonly error: ErrorAnswer['error'] };

/** What one try came to. */
export type Attempt<T> = Settled<T> | Retry;

interface Retry {
  readonly kind: 'retry';
  /** For the log of the agent. */
  readonly why: string;
  readonly status?: number;
  readonly retryAfterMs?: number;
}

/** Longest JSON answer: a claim of many jobs of 1 MiB each. */
const maxAnswerBytes = 64 * 1024 * 1024;
const patientStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Sorts an answer by the retry table: only JSON that fits the schema, or an error in our form, is the server's
 * word; a page of a proxy, a redirect and JSON that is cut off are as good as no answer.
 */
export async function readAnswer<T>(answer: HttpAnswer, schema: z.ZodType<T>, now: () => number): Promise<Attempt<T>> {
  const body = answer.status === 204 ? '{}' : await answer.text(maxAnswerBytes);
  const json = parseJson(body);
  const { status } = answer;
  const headerMs = retryAfterMs(answer.header('retry-after'), now());
  if (status >= 200 && status < 300) {
    const value = json === undefined ? undefined : schema.safeParse(json);
    if (value?.success) return { kind: 'ok', status, value: value.data };
    return retry(status, `its answer (${status}) is cut off or not one of the worker API`, headerMs);
  }
  const refusal = errorAnswer.safeParse(json);
  if (!refusal.success) return retry(status, foreign(answer), headerMs);
  const { error } = refusal.data;
  if (status >= 500 || patientStatuses.has(status)) {
    return retry(status, `${error.code}: ${error.message}`, error.retryAfterMs ?? headerMs);
  }
  return { kind: 'refused', status, error };
}

/** The server's refusal as an error; a code of a newer server becomes the nearest that we know. */
export function refusalError(status: number, error: ErrorAnswer['error']): RitmoError {
  const code = isCode(error.code) ? error.code : undefined;
  return new RitmoError(
    code ?? codeOfStatus(status),
    code === undefined ? `${error.code}: ${error.message}` : error.message,
    {
      retryable: error.retryable,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    },
  );
}

function codeOfStatus(status: number): Code {
  if (status === 401) return 'RITMO_UNAUTHORIZED';
  if (status === 403) return 'RITMO_FORBIDDEN';
  if (status === 404 || status === 410) return 'RITMO_NOT_FOUND';
  if (status === 409) return 'RITMO_CONFLICT';
  if (status === 413) return 'RITMO_TOO_LARGE';
  if (status === 426) return 'RITMO_PROTOCOL_VERSION';
  return 'RITMO_INVALID_REQUEST';
}

function retry(status: number, why: string, wait: number | undefined): Retry {
  return { kind: 'retry', status, why, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
}

function foreign(answer: HttpAnswer): string {
  const location = answer.header('location');
  if (answer.status < 400 && location !== undefined)
    return `it answers ${answer.status} and points elsewhere; is the address right?`;
  return `an answer with status ${answer.status} that is not the server's own, such as a proxy's page`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads `Retry-After`: seconds or an HTTP date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
