import type { StepExit } from '@ritmo/agent-core/executor';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outputScope, sh, Workbench } from './support/bench.js';

const never = new AbortController().signal;
let bench: Workbench;
let neighbour: Awaited<ReturnType<Workbench['sandbox']>>;

/** Steps are root in their machine: they can open what only its own programs use. */
const openControl = `
for port in /sys/class/virtio-ports/*; do
  read -r name <$port/name
  IFS=: read -r major minor <$port/dev
  [ "$name" = "ritmo.$1" ] && mknod /tmp/port c $major $minor
done
`;

async function outcome(run: Promise<{ exit: StepExit }>): Promise<string> {
  try {
    const { exit } = await run;
    return exit.status;
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

describe('a hostile guest', () => {
  beforeAll(async () => {
    bench = await Workbench.open();
    neighbour = await bench.sandbox();
    await sh(neighbour, 'echo precious > file');
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    const { stdout } = await sh(neighbour, 'cat file');
    if (stdout !== 'precious\n') throw new Error(`the neighbour was harmed: ${stdout}`);
  });

  it('that powers itself off, or whose kernel panics, breaks its own job', async () => {
    for (const script of ['echo o > /proc/sysrq-trigger', 'echo c > /proc/sysrq-trigger']) {
      const box = await bench.sandbox();
      const scripted = `mount -o remount,rw /proc 2>/dev/null; ${script}; sleep 600`;
      expect(await outcome(sh(box, scripted))).toBe('RITMO_SANDBOX_BROKEN');
      expect(await outcome(sh(box, 'echo still here'))).toBe('RITMO_SANDBOX_BROKEN');
      await box[Symbol.asyncDispose]();
    }
  });

  it.each([
    ['a wrong id', 'echo "ended 99 0 silent 0 0 0 -" >/tmp/port; sleep 600'],
    ['a line without end', 'head -c 100000 /dev/zero | tr "\\0" x >/tmp/port; sleep 600'],
    ['what makes no sense', 'echo "done 1 of course" >/tmp/port; sleep 600'],
    ['bytes that are no text', 'head -c 5000 /dev/urandom >/tmp/port; sleep 600'],
  ])('that says %s on the control channel breaks its own job', async (_what, lie) => {
    const box = await bench.sandbox();
    expect(await outcome(sh(box, `${openControl.replace('$1', 'control')}${lie}`))).toBe('RITMO_SANDBOX_BROKEN');
    await box[Symbol.asyncDispose]();
  });

  it('that kills all it can reach, our helpers too, ends its own job', async () => {
    const box = await bench.sandbox();
    expect(['RITMO_SANDBOX_BROKEN', 'exited', 'signalled']).toContain(await outcome(sh(box, 'kill -KILL -1; exit 3')));
    await box[Symbol.asyncDispose]();
  });

  it('that stops the first process of its machine can still be ended', async () => {
    const box = await bench.sandbox();
    const controller = new AbortController();
    const { stepScope, seen } = outputScope({ signal: controller.signal, stop: { signal: 'SIGTERM', graceMs: 200 } });
    const script = 'echo ready; while :; do kill -STOP -1; sleep 0.1; done';
    const run = box.run({ id: 'step', argv: ['/bin/sh', '-c', script], env: {} }, stepScope);
    await seen('ready');
    controller.abort({ reason: 'user' });
    expect(await outcome(run.then((exit) => ({ exit })))).toBe('cancelled');
    await box[Symbol.asyncDispose]();
  });

  it('that sends garbage instead of an archive gives no artifacts, and no more', async () => {
    const box = await bench.sandbox();
    await sh(
      box,
      `${openControl.replace('$1', 'data')}echo text > file; (while :; do head -c 65536 /dev/urandom; done >/tmp/port) & sleep 1`,
    );
    const collect = async () => {
      const paths: string[] = [];
      const request = { include: ['**'], exclude: [], dotfiles: false, maxFiles: 10, maxBytes: 1_000_000 };
      for await (const entry of box.collect(request, never)) paths.push(entry.path);
      return paths;
    };
    const found = await collect().catch((error: { code?: string }) => [String(error.code)]);
    expect([['file'], ['RITMO_SANDBOX_BROKEN']]).toContainEqual(found);
    await box[Symbol.asyncDispose]();
  });
});
