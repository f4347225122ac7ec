import assert from 'node:assert/strict';
import { caseOf } from '../case.js';

const dispose = caseOf('dispose');

export const disposeCases = [
  dispose('nothing-left', 'leaves nothing of a sandbox that was used', async (context) => {
    const box = await context.sandbox();
    await box.ok('echo x > file; echo x > "$HOME/file"; echo x > "$TMPDIR/file"');
    await box.sandbox[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('twice', 'may be called twice, and both at once', async (context) => {
    const box = await context.sandbox();
    await Promise.all([box.sandbox[Symbol.asyncDispose](), box.sandbox[Symbol.asyncDispose]()]);
    await box.sandbox[Symbol.asyncDispose]();
    await box.volume[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('unused-volume', 'removes a volume that never reached prepare', async (context) => {
    const volume = await context.allocate();
    await volume[Symbol.asyncDispose]();
    await volume[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('while-running', 'ends a step that runs, which then settles', async (context) => {
    const box = await context.sandbox();
    const step = box.start("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    await step.output.printed('ready');
    await context.within('dispose', 30_000, Promise.resolve(box.sandbox[Symbol.asyncDispose]()));
    assert.deepEqual(await context.residue(), []);
    const [end] = await Promise.allSettled([step.exit]);
    if (end.status === 'rejected') assert.equal(end.reason.code, 'RITMO_SANDBOX_BROKEN', String(end.reason));
    else assert.notEqual(end.value.status, 'exited');
  }),

  dispose('while-collecting', 'may come while files are collected', async (context) => {
    const box = await context.sandbox();
    await box.ok('i=0; while [ $i -lt 200 ]; do head -c 100000 /dev/zero > f$i; i=$((i+1)); done');
    const reading = (async () => {
      for await (const entry of box.stream({ include: ['f*'] })) {
        await box.sandbox[Symbol.asyncDispose]();
        if (entry.kind === 'file') for await (const chunk of entry.body) assert.ok(chunk.length > 0);
      }
    })();
    await context.within('collect', 20_000, Promise.allSettled([reading]));
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('deep', 'removes a tree whose paths are longer than the system allows', async (context) => {
    const box = await context.sandbox();
    const name = 'd'.repeat(200);
    await box.ok(
      `i=0; while [ $i -lt 40 ]; do mkdir ${name} && cd -P ./${name} || exit 1; i=$((i+1)); done; echo x > end`,
    );
    await box.sandbox[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('read-only', 'removes folders that nobody may enter or write to', async (context) => {
    const box = await context.sandbox();
    await box.ok(
      'mkdir -p a/b c; echo x > a/b/file; chmod 000 a/b; chmod 500 a; chmod 000 c; cd "$HOME"; mkdir -p m; : > m/f; chmod 500 m',
    );
    await box.sandbox[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(), []);
  }),

  dispose('executor', 'lets the executor be disposed twice once its sandboxes are gone', async (context) => {
    const { executor, host } = await context.openExecutor();
    const box = await context.sandbox({}, undefined, executor);
    await box.ok('echo fine');
    await box.sandbox[Symbol.asyncDispose]();
    await executor[Symbol.asyncDispose]();
    await executor[Symbol.asyncDispose]();
    assert.deepEqual(await context.residue(host.ownerId), []);
  }),
];
