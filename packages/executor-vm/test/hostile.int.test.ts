import { Readable } from 'node:stream';
import type { StepExit } from '@ritmo/agent-core/executor';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { outputScope, sh, Workbench } from './support/bench.js';

const never = new AbortController().signal;
let bench: Workbench;
let neighbour: Awaited<ReturnType<Workbench['sandbox']>>;

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

  it('that has its first process say what nobody asked breaks its own job', async () => {
    const box = await bench.sandbox();
    // Steps are root in their machine, and see its first process.
    await outcome(sh(box, 'echo "99 forged 0 0 max 100" > /proc/1/root/run/requests'));
    expect(await outcome(sh(box, 'sleep 2; echo still here'))).toBe('RITMO_SANDBOX_BROKEN');
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
    // Not before it was heard: what carries its words is stopped too.
    const script = 'echo ready; until [ -e go ]; do sleep 0.1; done; while :; do kill -STOP -1; sleep 0.1; done';
    const run = box.run({ id: 'step', argv: ['/bin/sh', '-c', script], env: {} }, stepScope);
    await seen('ready');
    const go = { kind: 'file' as const, path: 'go', mode: 0o644, mtimeMs: 0, size: 0, body: Readable.from([]) };
    await box.put([go], box.workdir, never);
    controller.abort({ reason: 'user' });
    expect(await outcome(run.then((exit) => ({ exit })))).toBe('cancelled');
    await box[Symbol.asyncDispose]();
  });

  it('that has replaced the program which packs its files harms the agent with nothing that it sends', async () => {
    const box = await bench.sandbox();
    const forge =
      'cd /proc/1/root/bin && rm tar && printf "#!/bin/sh\\nhead -c 200000 /dev/urandom" > tar && chmod 755 tar';
    // Where something is mounted over its files, it is asked for them.
    await sh(box, `mkdir over; mount -t tmpfs over over; echo text > file; ${forge}`);
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
