import { describe, expect, it } from 'vitest';
import { askForSecrets } from '../../src/secrets/ask.js';
import type { SecretProvider } from '../../src/secrets/provider.js';
import { staticSecrets } from '../../src/secrets/providers.js';

const job = { jobId: 'job-1', jobName: 'a job' };
const quiet = new AbortController().signal;
const values = { TOKEN: 'one', OTHER: 'two', RITMO_TOKEN: 'never' };

const ask = (allow: readonly string[], names: readonly string[], ...providers: readonly SecretProvider[]) =>
  askForSecrets({ providers, allow }, names, job, quiet);

describe('secrets of the operator', () => {
  it('are given for names on the list alone', async () => {
    expect([...(await ask(['TOKEN'], ['TOKEN', 'OTHER'], staticSecrets(values)))]).toEqual([['TOKEN', 'one']]);
    expect([...(await ask([], ['TOKEN'], staticSecrets(values)))]).toEqual([]);
  });

  it('are given for a pattern, which means the whole name', async () => {
    const all = { NPM_TOKEN: 'n', NPM_TOKEN_OLD: 'o', X_NPM_TOKEN: 'x' };
    const names = Object.keys(all);
    expect([...(await ask(['NPM_*'], names, staticSecrets(all))).keys()]).toEqual(['NPM_TOKEN', 'NPM_TOKEN_OLD']);
    expect([...(await ask(['*TOKEN'], names, staticSecrets(all))).keys()]).toEqual(['NPM_TOKEN', 'X_NPM_TOKEN']);
    expect([...(await ask(['NPM.TOKEN'], names, staticSecrets(all))).keys()]).toEqual([]);
  });

  it.each([['RITMO_TOKEN'], ['*'], ['RITMO_*']])(
    'never hold RITMO_ names, whatever the list says: %s',
    async (allow) => {
      expect([...(await ask([allow], ['RITMO_TOKEN'], staticSecrets(values)))]).toEqual([]);
    },
  );

  it('come from the first provider that has them', async () => {
    const first = staticSecrets({ TOKEN: 'of the first' });
    expect(await ask(['*'], ['TOKEN', 'OTHER'], first, staticSecrets(values))).toEqual(
      new Map([
        ['TOKEN', 'of the first'],
        ['OTHER', 'two'],
      ]),
    );
  });

  it('fail with a sentence that names the provider and the secret, and holds nothing that it said', async () => {
    const broken: SecretProvider = { name: 'vault', get: () => Promise.reject(new Error('hunter2 is wrong')) };
    const error = await ask(['*'], ['TOKEN'], broken).then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    expect(error).toMatchObject({ code: 'RITMO_SECRET_PROVIDER', retryable: true, hint: expect.stringMatching(/./) });
    expect(error?.message).toMatch(/vault.*TOKEN/);
    expect(JSON.stringify([error, error?.message])).not.toContain('hunter2');
  });

  it('are refused where no process could receive them', async () => {
    for (const value of ['a\u0000b', 'x'.repeat(131_073)]) {
      await expect(ask(['*'], ['TOKEN'], staticSecrets({ TOKEN: value }))).rejects.toMatchObject({
        code: 'RITMO_SECRET_PROVIDER',
      });
    }
  });

  it('are no longer waited for when the build is cancelled', async () => {
    const silent: SecretProvider = { name: 'silent', get: () => new Promise(() => undefined) };
    const stop = new AbortController();
    const asked = askForSecrets({ providers: [silent], allow: ['*'] }, ['TOKEN'], job, stop.signal);
    stop.abort(new Error('cancelled'));
    await expect(asked).rejects.toThrow('cancelled');
  });
});
