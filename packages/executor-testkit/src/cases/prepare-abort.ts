import assert from 'node:assert/strict';
import { caseOf } from '../case.js';

const prepare = caseOf('prepare');
const stop = { reason: 'user' } as const;

export const prepareAbortCases = [
  prepare('abort-before-allocate', 'allocates nothing when it is aborted already', async (context) => {
    const scope = context.scope({ signal: AbortSignal.abort(stop) });
    await assert.rejects(context.allocate(context.request(), scope));
    assert.deepEqual(await context.residue(), []);
  }),

  prepare('abort-in-allocate', 'leaves nothing when it is aborted while it allocates', async (context) => {
    const controller = new AbortController();
    const scope = context.scope({
      signal: controller.signal,
      record: () => {
        controller.abort(stop);
        return Promise.resolve();
      },
    });
    const [outcome] = await Promise.allSettled([context.allocate(context.request(), scope)]);
    if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  prepare('abort-before-prepare', 'prepares nothing when it is aborted already', async (context) => {
    const request = context.request();
    const volume = await context.allocate(request);
    await assert.rejects(context.prepare(request, volume, context.scope({ signal: AbortSignal.abort(stop) })));
    await volume[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  prepare('abort-in-prepare', 'leaves nothing when it is aborted while it prepares', async (context) => {
    // Later and later: each finds another phase.
    for (const turns of [0, 1, 3, 10, 30]) {
      const controller = new AbortController();
      const request = context.request();
      const volume = await context.allocate(request);
      const preparing = context.prepare(request, volume, context.scope({ signal: controller.signal }));
      preparing.catch(() => undefined);
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(stop);
      const [outcome] = await Promise.allSettled([preparing]);
      if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
      await volume[Symbol.asyncDispose]();
      assert.deepEqual(await context.residue(), [], `aborted after ${turns} turns of the loop`);
    }
  }),
];
