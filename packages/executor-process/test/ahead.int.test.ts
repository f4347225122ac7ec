import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findByEnvironment, signalProcess } from '@ritmo/host-linux';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

let bench: Workbench;

beforeAll(async () => {
  bench = await Workbench.open();
});

afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const running = (id: string) => findByEnvironment(`RITMO_SANDBOX=${bench.host.ownerId}/${id}`);
const waiting = async (id: string) => {
  while (running(id).length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe('a sandbox that was made before its step', () => {
  it('serves one step: each has processes, a folder and variables of its own', async () => {
    await using sandbox = await bench.sandbox({ steps: 3 });
    const script = 'echo "$$ $1 $WORD $(pwd)"; WORD=left; export WORD; sleep 600 &';
    for (const word of ['one', "two 'and' a half\n", 'three', 'four']) {
      const { exit, stdout } = await sh(sandbox, script, [word], { WORD: word });
      expect(exit).toEqual({ status: 'exited', code: 0, stragglers: 1 });
      expect(stdout.replace(/^\d+ /, '')).toBe(`${word} ${word} /workspace\n`);
    }
  });

  it('waits from the moment that the job is prepared, and knows nothing of it', async () => {
    const sandbox = await bench.sandbox();
    await waiting(sandbox.id);
    const seen = () =>
      running(sandbox.id)
        .map(({ pid }) => commandLine(pid))
        .join();
    // One that is loading its program has no command line.
    while (!seen().includes('bwrap')) await new Promise((resolve) => setTimeout(resolve, 2));
    await sandbox[Symbol.asyncDispose]();
    expect(running(sandbox.id)).toEqual([]);
  });

  it('that was ended meanwhile is made again, and the step runs', async () => {
    await using sandbox = await bench.sandbox({ steps: 2 });
    await waiting(sandbox.id);
    // One may be made while others are ended.
    for (let left = running(sandbox.id); left.length > 0; left = running(sandbox.id)) {
      for (const target of left) signalProcess(target, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await sh(sandbox, 'echo here')).stdout).toBe('here\n');
  });

  it('is not used for a step that no program can be given, and serves the next one', async () => {
    await using sandbox = await bench.sandbox({ steps: 2 });
    await waiting(sandbox.id);
    const { exit } = await sh(sandbox, 'true', [], { 'NO NAME': '' });
    expect(exit).toMatchObject({ status: 'not-started', error: { code: 'RITMO_STEP_NOT_STARTED' } });
    expect((await sh(sandbox, 'echo here')).stdout).toBe('here\n');
  });

  it('is not made when no further step is planned', async () => {
    await using sandbox = await bench.sandbox({ steps: 1 });
    expect((await sh(sandbox, 'echo here')).stdout).toBe('here\n');
    expect(running(sandbox.id)).toEqual([]);
  });

  it('shows what was put and removed meanwhile', async () => {
    await using sandbox = await bench.sandbox({ steps: 2 });
    await waiting(sandbox.id);
    const signal = new AbortController().signal;
    const file = (path: string) =>
      ({ kind: 'file', path, mode: 0o600, mtimeMs: 0, size: 2, body: bytes('hi') }) as const;
    await sandbox.put([file('one'), file('two')], sandbox.privateDir, signal);
    await sandbox.put([file('in/here')], sandbox.workdir, signal);
    await sandbox.remove([`${sandbox.privateDir}/two`], signal);
    const { stdout } = await sh(sandbox, 'cat "$1/one" in/here; ls "$1"', [sandbox.privateDir]);
    expect(stdout).toBe('hihione\n');
  });
});

it('what a step is told is in no file that another can open', async () => {
  await using sandbox = await bench.sandbox();
  const { stdout } = await sh(
    sandbox,
    'ls -l /proc/self/fd /proc/1/fd 2>/dev/null | grep -c "\\.step"; ls -A /run/ritmo/private',
    [],
    {
      TOKEN: 'hush',
    },
  );
  expect(stdout).toBe('0\n');
  expect(readdirSync(join(bench.stateDir, 'memory', sandbox.id))).toEqual(['private']);
});

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
