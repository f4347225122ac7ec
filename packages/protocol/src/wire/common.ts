import { z } from 'zod';
import { shownText } from '../names.js';

/** Version of the worker API that this code speaks; the value of the `Ritmo-Protocol` header. */
export const protocolVersion = 1;
/** Header that names the epoch where a call has no JSON body. */
export const epochHeader = 'Ritmo-Epoch';
export const protocolHeader = 'Ritmo-Protocol';
/** Header of the answers to log calls: the offset that is wanted next. A HEAD answer has no body. */
export const logNextHeader = 'Ritmo-Log-Next';

/** An enum of which a newer peer may know more: an unknown value is read as `fallback`. */
export function openEnum<const Values extends readonly [string, ...string[]]>(
  values: Values,
  fallback: Values[number],
) {
  return z.enum(values).catch(fallback as never);
}

/** A list of an enum of which a newer peer may know more: unknown values are left out. */
export function openList<const Values extends readonly string[]>(values: Values) {
  return z
    .array(z.string())
    .transform((list) => list.filter((one): one is Values[number] => values.includes(one)))
    .pipe(z.array(z.enum(values)));
}

/** Why work is stopped. The first reason wins. */
export const cancelReasons = [
  'user',
  'superseded',
  'job-timeout',
  'step-timeout',
  'agent-stopping',
  'lease-lost',
  'limit',
] as const;
export const cancelReason = openEnum(cancelReasons, 'user');

/** A cancel as it rides on answers and events; `graceMs` lies between the stop signal and the kill. */
export const cancelOrder = z.object({ reason: cancelReason, graceMs: z.int().min(0) });
export type CancelOrder = z.output<typeof cancelOrder>;

/** The only form of answer that counts as the server's word. */
export const errorAnswer = z.object({
  error: z.object({
    code: z.string().regex(/^RITMO_[A-Z_]+$/),
    message: z.string(),
    retryable: z.boolean(),
    retryAfterMs: z.int().min(0).optional(),
    hint: z.string().optional(),
    /** For 416 and 412 of the log: the offset that is wanted next. */
    next: z.int().min(0).optional(),
  }),
});
export type ErrorAnswer = z.output<typeof errorAnswer>;

export const empty = z.object({});

/** Why something did not succeed. */
export const failure = z.object({
  code: shownText(64),
  message: shownText(4096),
  retryable: z.boolean(),
  hint: shownText(4096).optional(),
});
export type Failure = z.output<typeof failure>;
