import { type Code, RitmoError } from '../errors.js';

const finalCodes: ReadonlySet<Code> = new Set<Code>([
  'RITMO_SUPERSEDED',
  'RITMO_NAME_TAKEN',
  'RITMO_UNAUTHORIZED',
  'RITMO_FORBIDDEN',
  'RITMO_PROTOCOL_VERSION',
]);

/** Whether the server's word ends the whole agent, not one call. */
export function isFinal(error: unknown): error is RitmoError {
  return error instanceof RitmoError && finalCodes.has(error.code);
}
