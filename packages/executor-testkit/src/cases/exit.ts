import assert from 'node:assert/strict';
import { RitmoError, type StepExit } from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';

const exit = caseOf('exit');

function assertNotStarted(end: StepExit): void {
  assert.equal(end.status, 'not-started');
  if (end.status !== 'not-started') return;
  assert.ok(end.error instanceof RitmoError, 'the error must be a RitmoError');
  assert.equal(end.error.code, 'RITMO_STEP_NOT_STARTED');
  assert.notEqual(end.error.message.trim(), '');
}

export const exitCases = [
  exit('codes', 'reports exit codes as they are, one step after another', async (context) => {
    const box = await context.sandbox();
    for (const code of [0, 1, 2, 42, 255, 0]) {
      const { exit: end } = await box.sh(`exit ${code}`);
      assert.deepEqual({ status: end.status, code: end.status === 'exited' && end.code }, { status: 'exited', code });
    }
  }),

  exit('signal', 'reports the signal that ended a step', async (context) => {
    const box = await context.sandbox();
    for (const signal of ['KILL', 'TERM', 'SEGV']) {
      const { exit: end } = await box.sh(`kill -${signal} $$; sleep 600`);
      const seen = { status: end.status, signal: end.status === 'signalled' && end.signal };
      assert.deepEqual(seen, { status: 'signalled', signal: `SIG${signal}` });
    }
    assert.equal(await box.ok('echo still here'), 'still here\n');
  }),

  exit('no-program', 'says that a program which does not exist was not started', async (context) => {
    const box = await context.sandbox();
    assertNotStarted((await box.sh('', { argv: ['no-such-program-anywhere'] })).exit);
    assertNotStarted((await box.sh('', { argv: ['/no/such/path'] })).exit);
    assert.equal(await box.ok('echo still here'), 'still here\n');
  }),

  exit('not-executable', 'says that a file which may not be executed was not started', async (context) => {
    const box = await context.sandbox();
    await box.ok('echo "echo no" > plain; chmod 644 plain');
    assertNotStarted((await box.sh('', { argv: ['./plain'] })).exit);
  }),

  exit('no-folder', 'says that a step whose folder does not exist was not started', async (context) => {
    const box = await context.sandbox();
    assertNotStarted((await box.sh('echo no', { cwd: 'no/such/folder' })).exit);
    assert.equal(await box.ok('echo still here'), 'still here\n');
  }),

  exit('too-long', 'says that a step whose arguments are too long was not started', async (context) => {
    const box = await context.sandbox();
    const args = Array.from({ length: 10_000 }, () => 'x'.repeat(400));
    assertNotStarted((await box.sh('echo no', { args })).exit);
    assert.equal(await box.ok('echo still here'), 'still here\n');
  }),

  exit('arguments', 'passes arguments byte for byte', async (context) => {
    const box = await context.sandbox();
    const odd = ['', ' ', 'a b', '"', "'", '\\', '$HOME', '`id`', '*', '--', '-n', 'one\ntwo', 'é€𝄞', '; exit 9'];
    const args = [...odd, ...Array.from({ length: 1000 }, (_, i) => `arg ${i}`)];
    const text = await box.ok(String.raw`for a in "$@"; do printf '%s\0' "$a"; done`, { args });
    assert.deepEqual(text.split('\0').slice(0, -1), args);
  }),

  exit('folder', 'starts a step in the workspace, or in the folder below that it names', async (context) => {
    const box = await context.sandbox();
    const { workdir } = box.sandbox;
    assert.equal(await box.ok('pwd; mkdir -p sub/dir'), `${workdir}\n`);
    assert.equal(await box.ok('pwd', { cwd: 'sub/dir' }), `${workdir}/sub/dir\n`);
  }),

  exit('stdin', 'gives a step an empty input that ends at once', async (context) => {
    const box = await context.sandbox();
    assert.equal(await box.ok('cat; echo read'), 'read\n');
  }),

  exit('stragglers', 'leaves no process of a step behind, and none of it sees the next step', async (context) => {
    const box = await context.sandbox();
    await box.ok(':');
    const before = await context.residue();
    const beat = '(i=0; while [ $i -lt 2000 ]; do echo >> beat; i=$((i+1)); sleep 0.02; done) >&- 2>&- &';
    const { exit: end } = await box.sh(`${beat} while [ ! -s beat ]; do sleep 0.01; done; exit 4`);
    assert.equal(end.status === 'exited' ? end.code : end.status, 4);
    assert.deepEqual(await context.residueSince(before), [], 'the step left something running');
    const [first, second] = (await box.ok('wc -c < beat; sleep 0.3; wc -c < beat')).trim().split('\n');
    assert.equal(second, first, 'a child of the step before still writes');
  }),

  exit('usage', 'accounts for the CPU time of steps', async (context) => {
    const box = await context.sandbox();
    await box.ok('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done');
    const usage = await context.within('usage', 10_000, box.sandbox.usage(new AbortController().signal));
    assert.ok(Number.isFinite(usage.cpuMs) && usage.cpuMs > 0, `cpuMs is ${usage.cpuMs}`);
  }),
];
