import assert from 'node:assert/strict';
import { caseOf } from '../case.js';
import { assertRejects } from '../refusals.js';

const seal = caseOf('seal');
const text = '{"k":"note","m":"all of it"}\n';
const other = text.replace('all', 'lal');

export const sealCases = [
  seal('whole', 'seals a log that is whole, and takes the same seal again', async (context) => {
    const build = await context.build();
    await build.send(text);
    assert.equal(await build.seal(text), undefined);
    assert.equal(await build.seal(text), undefined, 'the first answer may have been lost');
    assert.equal(await context.log(build), text);
  }),

  seal('empty', 'seals a log of no bytes', async (context) => {
    const build = await context.build();
    assert.equal(await build.seal(''), undefined);
  }),

  seal('missing', 'says what is missing, and seals once it is there', async (context) => {
    const build = await context.build();
    await build.send(text.slice(0, 9));
    assert.deepEqual(await build.seal(text), { next: 9 });
    await build.send(text.slice(9), 9);
    assert.equal(await build.seal(text), undefined);
    assert.equal(await context.log(build), text);
  }),

  seal('different', 'never seals a log that is not the one that was recorded', async (context) => {
    const build = await context.build();
    await build.send(text);
    // To be sent again, or the end: as the transport likes, but nothing is sealed.
    for (let times = 0; times < 4; times++) {
      const answer = await build.seal(other).catch((error: unknown) => error);
      if (answer instanceof Error) {
        await assertRejects('the seal of another log', ['RITMO_LOG_MISMATCH', 'RITMO_SEALED', 'RITMO_FENCED'], () =>
          build.seal(other),
        );
        return;
      }
      assert.ok(answer !== undefined, 'a seal with another sha256 was taken');
      const { next } = answer as { readonly next: number };
      assert.ok(next < text.length, `it asks for bytes from ${next} on, where the log ends`);
      await build.send(text.slice(next), next);
    }
    assert.fail('it asks for the same bytes again and again');
  }),

  seal('closed', 'takes nothing after the seal, and says RITMO_SEALED', async (context) => {
    const build = await context.build();
    await build.send(text);
    await build.seal(text);
    await assertRejects('bytes after the seal', ['RITMO_SEALED'], () => build.append(text.length, other));
    assert.equal(await context.log(build), text);
  }),
];
