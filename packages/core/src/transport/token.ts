import { type Code, RitmoError } from '../errors.js';

/**
 * A token as it may stand in a header. Without this a line break, as files have at their end, would look like a server
 * that cannot be reached, for ever.
 * @throws an error of the code, which does not hold the token
 */
export function checkToken(token: string, code: Extract<Code, 'RITMO_USAGE' | 'RITMO_UNAUTHORIZED'>): string {
  if (token === '')
    throw new RitmoError(code, 'The registration token is empty.', {
      hint: 'It stands in `registration.token` of the data folder of the API server.',
      retryable: false,
    });
  if (/^[\x21-\x7e]*$/.test(token)) return token;
  throw new RitmoError(
    code,
    'The registration token holds a space, a line break or another character that no token has.',
    {
      hint: 'Where it comes from a file, take the line break at its end away: `.trim()`.',
      retryable: false,
    },
  );
}
