import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { caseOf } from '../case.js';
import { file } from '../test-sandbox.js';

const files = caseOf('files');
/** What a shell, a container runtime or the product itself may add. */
const tolerated = /^(PATH|HOME|TMPDIR|PWD|OLDPWD|SHLVL|_|HOSTNAME|RITMO_.*)$/;

export const filesCases = [
  files('put', 'puts a private file that a step can read, with its mode', async (context) => {
    const box = await context.sandbox();
    const { privateDir } = box.sandbox;
    await box.put([file('token', 'hush', 0o600), file('bin/run.sh', '#!/bin/sh\necho ran "$1"\n', 0o700)], privateDir);
    const text = await box.ok('cat "$1/token"; echo; ls -l "$1/token" | cut -c1-10; "$1/bin/run.sh" it', {
      args: [privateDir],
    });
    assert.equal(text, 'hush\n-rw-------\nran it\n');
  }),

  files('put-workdir', 'puts files and links into the workspace, with their parents', async (context) => {
    const box = await context.sandbox();
    const link = { kind: 'link', path: 'a/link', target: 'b/deep', mode: 0o777, mtimeMs: 0 } as const;
    await box.put([file('a/b/deep', 'below'), link], box.sandbox.workdir);
    assert.equal(await box.ok('cat a/b/deep a/link; echo own >> a/b/deep; cat a/link'), 'belowbelowbelowown\n');
  }),

  files('put-big', 'puts a file of several chunks whole', async (context) => {
    const box = await context.sandbox();
    const chunk = Buffer.alloc(65_536, 'x');
    const body = (async function* () {
      for (let i = 0; i < 48; i++) yield chunk;
    })();
    const size = chunk.length * 48;
    await box.put([{ kind: 'file', path: 'big', mode: 0o644, mtimeMs: 0, size, body }], box.sandbox.workdir);
    assert.equal(Number(await box.ok('tr -d y < big | wc -c')), size);
  }),

  files('remove', 'removes what was put, and does not mind what is not there', async (context) => {
    const box = await context.sandbox();
    const { privateDir } = box.sandbox;
    await box.put([file('token', 'hush', 0o600), file('dir/one', '1'), file('dir/two', '2')], privateDir);
    await box.remove(posix.join(privateDir, 'token'), posix.join(privateDir, 'dir'), posix.join(privateDir, 'never'));
    assert.equal(
      await box.ok('[ ! -e "$1/token" ] && [ ! -e "$1/dir" ] && echo gone', { args: [privateDir] }),
      'gone\n',
    );
  }),

  files(
    'env',
    'gives a step its variables byte for byte, and nothing of the environment of the agent',
    async (context) => {
      const canary = `TESTKIT_CANARY_${randomUUID().replaceAll('-', '')}`;
      process.env[canary] = 'of the agent';
      try {
        const box = await context.sandbox();
        const env = { PLAIN: 'a b', EMPTY: '', HARD: 'x\n"\'$HOME`id`\\ é', EQUALS: 'a=b=c' };
        const names = (await box.ok('env', { argv: ['env'], env: { ...env, HARD: 'one line' } }))
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => line.slice(0, line.indexOf('=')));
        assert.ok(!names.includes(canary), 'a variable of the agent reached the step');
        if (!context.executor.capabilities.images) {
          const strange = names.filter((name) => !(name in env) && !tolerated.test(name));
          assert.deepEqual(strange, [], 'the step has variables that nobody gave it');
        }
        const values = await box.ok('printf "%s|%s|%s|%s" "$PLAIN" "$EMPTY" "$HARD" "$EQUALS"', { env });
        assert.equal(values, Object.values(env).join('|'));
      } finally {
        delete process.env[canary];
      }
    },
  ),

  files(
    'env-defaults',
    'sets PATH, HOME and TMPDIR to what can be used, unless the step names them',
    async (context) => {
      const box = await context.sandbox();
      await box.ok('[ -n "$PATH" ] && : > "$HOME/h" && : > "$TMPDIR/t"');
      const env = { HOME: '/named/home', TMPDIR: '/named/tmp' };
      assert.equal(await box.ok('echo "$HOME $TMPDIR"', { env }), '/named/home /named/tmp\n');
    },
  ),

  files('lasting', 'keeps HOME, TMPDIR and the workspace from one step to the next', async (context) => {
    const box = await context.sandbox();
    await box.ok('for d in "$HOME" "$TMPDIR" .; do echo kept > "$d/file"; done');
    assert.equal(await box.ok('cat "$HOME/file" "$TMPDIR/file" ./file'), 'kept\nkept\nkept\n');
  }),
];
