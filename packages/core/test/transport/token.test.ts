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

it('gives up with such a token of a function, instead of trying for ever', async () => {
  await using transport = new HttpTransport({ apiServer: 'localhost:1', registrationToken: async () => 'token\n' });
  await expect(transport.register(info, never())).rejects.toMatchObject({ code: 'RITMO_UNAUTHORIZED' });
});
