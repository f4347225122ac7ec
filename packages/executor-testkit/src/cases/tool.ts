import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CancelCause, StepExit, ToolSpec, WorkspaceVolume } from '@ritmo/agent-core/executor';
import { Capture } from '../capture.js';
import { caseOf } from '../case.js';
import type { CaseContext } from '../context.js';

const tool = caseOf('tool');

interface ToolRun {
  readonly output: Capture;
  readonly exit: Promise<StepExit>;
  abort(cause: CancelCause): void;
}

/** Runs the shell of the host as a tool. */
function runTool(context: CaseContext, volume: WorkspaceVolume, script: string, over: Partial<ToolSpec> = {}): ToolRun {
  const controller = new AbortController();
  const output = new Capture();
  const running = volume.runTool(
    { argv: ['sh', '-c', script], env: {}, ...over },
    { signal: controller.signal, stop: { signal: 'SIGTERM', graceMs: context.ms(1_000) }, output },
  );
  const exit = context.within('the tool', 20_000, running).finally(() => output.settle());
  exit.catch(() => undefined);
  return { output, exit, abort: (cause) => controller.abort(cause) };
}

const codeOf = (end: StepExit) => (end.status === 'exited' ? end.code : end.status);

export const toolCases = [
  tool('runs', 'runs a tool in the workspace as its owner, and a step sees what it made', async (context) => {
    let ids = '';
    const box = await context.sandbox({}, async (volume) => {
      const run = runTool(context, volume, 'echo made > by-tool; id -u; id -g');
      assert.equal(codeOf(await run.exit), 0, run.output.all());
      ids = run.output.stdout;
    });
    assert.equal(ids, `${box.volume.uid}\n${box.volume.gid}\n`);
    assert.equal(await box.ok('cat by-tool; echo changed > by-tool'), 'made\n');
  }),

  tool('exit', 'reports how a tool ended, and what it printed', async (context) => {
    const volume = await context.allocate();
    const failed = runTool(context, volume, 'echo words; echo more >&2; exit 128');
    assert.equal(codeOf(await failed.exit), 128);
    assert.ok(failed.output.all().includes('words\n') && failed.output.all().includes('more\n'));
    const missing = await runTool(context, volume, '', { argv: ['no-such-tool-anywhere'] }).exit;
    assert.equal(missing.status, 'not-started');
  }),

  tool('env', 'gives a tool the variables that it names, and PATH, HOME and TMPDIR', async (context) => {
    const volume = await context.allocate();
    process.env['TESTKIT_TOOL_CANARY'] = 'of the agent';
    try {
      const run = runTool(context, volume, 'env; : > "$HOME/h" && : > "$TMPDIR/t" && [ -n "$PATH" ]', {
        env: { GIT_TERMINAL_PROMPT: '0' },
      });
      assert.equal(codeOf(await run.exit), 0, run.output.all());
      assert.ok(run.output.stdout.includes('GIT_TERMINAL_PROMPT=0\n'));
      assert.ok(!run.output.stdout.includes('TESTKIT_TOOL_CANARY'), 'a variable of the agent reached the tool');
    } finally {
      delete process.env['TESTKIT_TOOL_CANARY'];
    }
  }),

  tool('files', 'shows a tool its files outside of the workspace, for as long as it runs', async (context) => {
    let dir = '';
    const box = await context.sandbox({}, async (volume) => {
      const files = {
        askpass: { content: '#!/bin/sh\ncat "$RITMO_TOOL_DIR/token"\n', mode: 0o700 },
        token: { content: 'hush', mode: 0o600 },
      };
      const run = runTool(context, volume, '"$RITMO_TOOL_DIR/askpass"; echo; ls -A; echo "$RITMO_TOOL_DIR"', { files });
      assert.equal(codeOf(await run.exit), 0, run.output.all());
      const [token, path, rest] = run.output.stdout.split('\n');
      assert.equal(token, 'hush');
      assert.equal(rest, '', 'the files of the tool lie in the workspace');
      dir = path ?? '';
      const again = runTool(context, volume, '[ ! -e "$1/token" ]', {
        argv: ['sh', '-c', '[ ! -e "$1/token" ]', 'sh', dir],
      });
      assert.equal(codeOf(await again.exit), 0, 'the files of a tool were still there for the next one');
    });
    assert.equal(codeOf((await box.sh('[ ! -e "$1/token" ]', { args: [dir] })).exit), 0, 'a step sees them');
  }),

  tool('read-only', 'lets a tool read the host paths that it names', async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-testkit-ro-'));
    try {
      await chmod(folder, 0o755);
      await writeFile(join(folder, 'file'), 'from the host');
      const volume = await context.allocate();
      const argv = ['sh', '-c', 'cat "$1/file" > copy; cat copy', 'sh', folder] as const;
      const run = runTool(context, volume, '', { argv, readOnlyPaths: [folder] });
      assert.equal(codeOf(await run.exit), 0, run.output.all());
      assert.equal(run.output.stdout, 'from the host');
    } finally {
      await rm(folder, { recursive: true });
    }
  }),

  tool('cancel', 'stops a tool, and leaves nothing of it', async (context) => {
    const volume = await context.allocate();
    assert.equal(codeOf(await runTool(context, volume, ':').exit), 0);
    const before = await context.residue();
    const run = runTool(context, volume, 'sleep 600 & echo ready; while :; do sleep 0.05; done');
    await run.output.printed('ready');
    run.abort({ reason: 'user', graceMs: 200 });
    const end = await run.exit;
    assert.deepEqual([end.status, end.status === 'cancelled' && end.reason], ['cancelled', 'user']);
    assert.deepEqual(await context.residueSince(before), []);
  }),
];
