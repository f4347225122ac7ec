import { expect, it } from 'vitest';
import { HttpTransport } from '../../src/transport/index.js';
import { info, never } from './support.js';

it.each(['token\n', 'two words', 'ключ', 'a\u0000b'])(
  'refuses the token %j at the door, without repeating it',
  (token) => {
    expect(() => new HttpTransport({ apiServer: 'localhost:1', registrationToken: token })).toThrow(
      expect.objectContaining({
        code: 'RITMO_USAGE',
        message: expect.not.stringContaining(token),
        hint: expect.stringContaining('.trim()'),
      }),
    );
  },
);

it.each([
  ['no options', undefined, 'options: '],
  ['no server', { registrationToken: 'x' }, 'apiServer: '],
  ['no token', { apiServer: 'localhost:1' }, 'registrationToken: must be a text, or a function'],
  ['an option that does not exist', { apiServer: 'localhost:1', registrationToken: 'x', token: 'y' }, '"token"'],
  ['a log without children', { apiServer: 'localhost:1', registrationToken: 'x', log: console }, 'log: lacks'],
  ['an empty token', { apiServer: 'localhost:1', registrationToken: '' }, 'token is empty'],
])('refuses %s with a sentence', (_what, options, words) => {
  expect(() => new HttpTransport(options as never)).toThrow(
    expect.objectContaining({ code: 'RITMO_USAGE', message: expect.stringContaining(words) }),
  );
});

it.each(['token\n', ''])('gives up with the token %j of a function, instead of trying for ever', async (token) => {
  await using transport = new HttpTransport({ apiServer: 'localhost:1', registrationToken: async () => token });
  await expect(transport.register(info, never())).rejects.toMatchObject({ code: 'RITMO_UNAUTHORIZED' });
});
