import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SandboxRecord } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processExecutor } from '../src/index.js';
import { crashingAgentFile, runCrashingAgent } from './support/crashing-agent.js';
import { hostIn, outputScope, scope, sh, Workbench } from './support/bench.js';

const root = process.getuid?.() === 0;

for (const level of ['sandbox', 'bare'] as const) {
  describe(`at the level ${level}`, () => {
    let bench: Workbench;

    beforeAll(async () => {
      bench = await Workbench.open({ level });
    });

    afterAll(async () => {
      await bench[Symbol.asyncDispose]();
    });

    it('opens /dev/stdout and /dev/stderr by name, as scripts do', async () => {
      await using sandbox = await bench.sandbox();
      const ran = await sh(sandbox, 'echo one > /dev/stdout; echo two | tee /dev/stderr >/dev/null');
      expect(ran).toEqual({ exit: { status: 'exited', code: 0 }, stdout: 'one\n', stderr: 'two\n' });
    });

    it('gives a step no descriptor but its own three', async () => {
      await using sandbox = await bench.sandbox();
      const { stdout } = await sh(sandbox, 'for fd in /proc/$$/fd/*; do [ -h "$fd" ] && echo "${fd##*/}"; done; true');
      expect(stdout.split('\n').filter(Boolean).map(Number)).toEqual([0, 1, 2]);
    });

    it('keeps variables off every command line', async () => {
      await using sandbox = await bench.sandbox();
      const { stepScope, seen } = outputScope();
      const secret = `hush-${bench.host.ownerId}`;
      const controller = new AbortController();
      const run = sandbox.run(
        { id: 'step', argv: ['sh', '-c', 'echo ready; while :; do sleep 0.05; done'], env: { TOKEN: secret } },
        { ...stepScope, signal: controller.signal },
      );
      await seen('ready');
      const lines = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => readCommandLine(pid));
      controller.abort({ reason: 'user' });
      expect(await run).toMatchObject({ status: 'cancelled', forced: false });
      expect(lines.filter((line) => line.includes(secret))).toEqual([]);
    });

    it('tells an exit code above 128 from a signal', async () => {
      await using sandbox = await bench.sandbox();
      expect((await sh(sandbox, 'exit 137')).exit).toEqual({ status: 'exited', code: 137 });
      expect((await sh(sandbox, 'kill -KILL $$')).exit).toEqual({ status: 'signalled', signal: 'SIGKILL' });
      expect((await sh(sandbox, 'kill -TERM $$')).exit).toEqual({ status: 'signalled', signal: 'SIGTERM' });
    });

    it('does not take a word of the shell for a program', async () => {
      await using sandbox = await bench.sandbox();
      const { stepScope } = outputScope();
      const exit = await sandbox.run({ id: 'step', argv: ['exit', '3'], env: {} }, stepScope);
      expect(exit).toMatchObject({ status: 'not-started', error: { code: 'RITMO_STEP_NOT_STARTED' } });
    });

    it('refuses NUL bytes, which would end an argument early', async () => {
      await using sandbox = await bench.sandbox();
      const { stepScope } = outputScope();
      for (const step of [
        { argv: ['true'] as const, env: { X: 'a\0--bind\0/\0/x' } },
        { argv: ['true'] as const, env: { 'A=B': 'x' } },
        { argv: ['true', 'a\0b'] as const, env: {} },
      ]) {
        const exit = await sandbox.run({ id: 'step', ...step }, stepScope);
        expect(exit).toMatchObject({ status: 'not-started', error: { code: 'RITMO_STEP_NOT_STARTED' } });
      }
    });

    it('lets a whole tree use the grace, although its main process ends at once', async () => {
      await using sandbox = await bench.sandbox();
      const child = "trap 'sleep 0.2; echo cleaned up; exit 0' TERM; echo ready; while :; do sleep 0.02; done";
      const { printed, stepScope, seen } = outputScope();
      const controller = new AbortController();
      const run = sandbox.run(
        { id: 'step', argv: ['sh', '-c', `sh -c "$1" & wait`, 'sh', child], env: {} },
        { ...stepScope, signal: controller.signal },
      );
      await seen('ready');
      controller.abort({ reason: 'user', graceMs: 20_000 });
      expect(await run).toEqual({ status: 'cancelled', reason: 'user', forced: false });
      expect(printed.stdout).toContain('cleaned up');
    });

    it('does not wait when the step signals itself and the launcher too', async () => {
      await using sandbox = await bench.sandbox();
      const { exit } = await sh(sandbox, "trap 'exit 9' TERM; kill -TERM 0; exit 8");
      expect(exit).toMatchObject({ status: 'exited', code: 9 });
    });

    it('rejects with a code when a command fails to write its output', async () => {
      await using sandbox = await bench.sandbox();
      const { stepScope } = outputScope({ output: { write: () => Promise.reject(new Error('disk full')) } });
      await expect(sandbox.run({ id: 'step', argv: ['echo', 'x'], env: {} }, stepScope)).rejects.toThrow('disk full');
      expect((await sh(sandbox, 'echo fine')).stdout).toBe('fine\n');
    });

    it('sees nothing through a link that a build has put into the way of a file', async () => {
      await using sandbox = await bench.sandbox();
      await sh(sandbox, 'ln -s /etc out; ln -s /etc/passwd file');
      const { signal } = new AbortController();
      const entry = (path: string) => ({
        kind: 'file' as const,
        path,
        mode: 0o644,
        mtimeMs: 0,
        size: 1,
        body: chunk(),
      });
      await expect(sandbox.put([entry('out/x')], sandbox.workdir, signal)).rejects.toMatchObject({
        code: 'RITMO_WORKSPACE_ESCAPE',
      });
      await sandbox.put([entry('file')], sandbox.workdir, signal);
      expect(readFileSync(join(sandbox.hostPath, 'file'), 'utf8')).toBe('x');
      await expect(sandbox.put([entry('x')], '/etc', signal)).rejects.toMatchObject({ code: 'RITMO_WORKSPACE_ESCAPE' });
    });

    it('ends and removes what an agent that was killed has left, secrets too', async () => {
      const stateDir = mkdtempSync(join(bench.root, 'crashed-'));
      spawnSyncOk('chmod', ['711', stateDir]);
      const script = `import * as agent from '${crashingAgentFile}'; await agent.${runCrashingAgent.name}(...process.argv.slice(1))`;
      const child = spawn(
        process.execPath,
        ['--conditions=@ritmo/source', '--import', 'tsx', '--input-type=module', '-e', script, stateDir, level],
        { stdio: ['ignore', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '../../..') },
      );
      const step = await new Promise<string>((resolve) =>
        child.stdout.once('data', (data: Buffer) => resolve(data.toString())),
      );
      expect(step).toBe('running\n');
      const mark = 'RITMO_SANDBOX=crashing/left';
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const executor = await processExecutor({ level }).open(hostIn(stateDir, 'crashing'));
      expect(await executor.sweep(new Set(), new AbortController().signal)).toEqual({ removed: ['left'], failed: [] });
      expect(environments().filter((text) => text.includes(mark))).toEqual([]);
      expect(readdirSync(join(stateDir, 'sandboxes'))).toEqual([]);
      expect(readdirSync(join(stateDir, 'run'))).toHaveLength(1);
      await executor[Symbol.asyncDispose]();
      expect(existsSync(join(stateDir, 'memory'))).toBe(false);
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(stateDir);
    });
  });
}

describe('what an operator shows to builds', () => {
  it('is bound read-only or read-write, also inside of the workspace and from a closed folder', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'ritmo-binds-'));
    const open = mkdtempSync(join(tmpdir(), 'ritmo-binds-'));
    mkdirSync(join(closed, 'modules'));
    writeFileSync(join(closed, 'modules/one.js'), 'one');
    spawnSyncOk('chmod', ['777', open]);
    try {
      await using bench = await Workbench.open({
        binds: [
          { source: join(closed, 'modules'), target: '/workspace/deep/node_modules', access: 'read-only' },
          { source: open, target: '/opt/cache', access: 'read-write' },
        ],
        toolPaths: ['/opt/cache/bin'],
      });
      await using sandbox = await bench.sandbox();
      const script =
        'cat deep/node_modules/one.js; touch deep/node_modules/x || echo refused; echo kept > /opt/cache/file; echo "$PATH"';
      const { stdout } = await sh(sandbox, script);
      expect(stdout).toMatch(/^onerefused\n\/opt\/cache\/bin:/);
      expect(readFileSync(join(open, 'file'), 'utf8')).toBe('kept\n');
      await sandbox[Symbol.asyncDispose]();
      expect(readdirSync(join(closed, 'modules'))).toEqual(['one.js']);
    } finally {
      rmSync(closed, { recursive: true });
      rmSync(open, { recursive: true });
    }
  });

  it.runIf(root)('may be a link that leads into a closed folder', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'ritmo-binds-'));
    const open = mkdtempSync(join(tmpdir(), 'ritmo-binds-'));
    mkdirSync(join(closed, 'modules'));
    writeFileSync(join(closed, 'modules/one.js'), 'one');
    spawnSyncOk('chmod', ['711', open]);
    symlinkSync(join(closed, 'modules'), join(open, 'modules'));
    try {
      await using bench = await Workbench.open({ binds: [{ source: join(open, 'modules'), target: '/opt/modules' }] });
      await using sandbox = await bench.sandbox();
      expect((await sh(sandbox, 'cat /opt/modules/one.js')).stdout).toBe('one');
    } finally {
      rmSync(closed, { recursive: true });
      rmSync(open, { recursive: true });
    }
  });

  it('is not put through a link that the build has made', async () => {
    await using bench = await Workbench.open({ binds: [{ source: '/usr/share', target: '/workspace/a/share' }] });
    const { volume, request } = await bench.volume();
    symlinkSync('/tmp', join(volume.hostPath, 'a'));
    await using sandbox = await bench.executor.prepare(request, volume, scope());
    const { exit } = await sh(sandbox, 'true');
    expect(exit).toMatchObject({ status: 'not-started', error: { code: 'RITMO_STEP_NOT_STARTED' } });
  });

  it.runIf(root)('is read by a tool although it lies in a folder that is closed to the user of the job', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'ritmo-repo-'));
    mkdirSync(join(closed, 'repository'));
    writeFileSync(join(closed, 'repository/HEAD'), 'main');
    try {
      await using bench = await Workbench.open();
      const { volume } = await bench.volume();
      const { printed, stepScope } = outputScope();
      const repository = join(closed, 'repository');
      const tool = { argv: ['cat', `${repository}/HEAD`] as const, env: {}, readOnlyPaths: [repository] };
      expect(await volume.runTool(tool, stepScope)).toEqual({ status: 'exited', code: 0 });
      expect(printed.stdout).toBe('main');
      await volume[Symbol.asyncDispose]();
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain('/shared/');
      expect(readFileSync(join(repository, 'HEAD'), 'utf8')).toBe('main');
    } finally {
      rmSync(closed, { recursive: true });
    }
  });
});

describe.runIf(root)('what an agent leaves or cannot show', () => {
  it('a folder that only its owner may read ends a tool with a sentence and a hint', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'ritmo-closed-'));
    try {
      await using bench = await Workbench.open();
      const { volume } = await bench.volume();
      const { stepScope } = outputScope();
      const tool = { argv: ['ls', closed] as const, env: {}, readOnlyPaths: [closed] };
      expect(await volume.runTool(tool, stepScope)).toMatchObject({
        status: 'not-started',
        error: {
          message: expect.stringContaining('cannot read') as string,
          hint: expect.stringContaining('chmod') as string,
        },
      });
      await volume[Symbol.asyncDispose]();
      await expect(Workbench.open({ binds: [{ source: closed, target: '/opt/x' }] })).rejects.toMatchObject({
        code: 'RITMO_EXECUTOR_UNAVAILABLE',
        message: expect.stringContaining('cannot read') as string,
      });
    } finally {
      rmSync(closed, { recursive: true });
    }
  });
});

describe('users and refusals', () => {
  it.runIf(root)('gives two agents of one machine different users for the same slot', async () => {
    await using one = await Workbench.open();
    await using two = await Workbench.open({ level: 'bare' });
    await using first = await one.sandbox({ slot: 5 });
    await using second = await two.sandbox({ slot: 5 });
    expect(first.uid).not.toBe(second.uid);
    expect((await sh(first, 'id -u; id -G')).stdout).toBe(`${first.uid}\n${first.uid}\n`);
  });

  it('refuses a hardened profile and host network where they are not offered', async () => {
    await using bare = await Workbench.open({ level: 'bare' });
    await expect(bare.volume({ profile: 'hardened' })).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
    await using sandbox = await Workbench.open();
    await expect(sandbox.volume({ network: 'host' })).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
    expect(sandbox.executor.capabilities.network).not.toContain('host');
  });

  it('says what is missing when bubblewrap is not installed', async () => {
    const { requireBubblewrap } = await import('../src/requirements.js');
    await expect(requireBubblewrap('/nowhere')).rejects.toMatchObject({
      code: 'RITMO_EXECUTOR_UNAVAILABLE',
      hint: expect.stringContaining('apt-get install bubblewrap') as string,
    });
  });

  it.runIf(root)('refuses a state folder that the users of jobs cannot walk to', async () => {
    const closed = mkdtempSync(join(tmpdir(), 'ritmo-closed-'));
    mkdirSync(join(closed, 'state'));
    try {
      await expect(processExecutor().open(hostIn(join(closed, 'state'), 'closed'))).rejects.toMatchObject({
        code: 'RITMO_EXECUTOR_UNAVAILABLE',
        hint: expect.stringContaining('chmod o+x') as string,
      });
    } finally {
      rmSync(closed, { recursive: true });
    }
  });

  it('records the sandbox before it makes anything that could leak', async () => {
    await using bench = await Workbench.open();
    const records: SandboxRecord[] = [];
    const request = bench.request();
    await using volume = await bench.executor.allocate(request, scope(records));
    expect(records).toMatchObject([{ sandboxId: request.sandboxId, executor: 'process', stateVersion: 1 }]);
    expect(volume.workdir).toBe('/workspace');
  });
});

function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function environments(): string[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [readFileSync(`/proc/${name}/environ`, 'utf8')] : [];
    } catch {
      return [];
    }
  });
}

function spawnSyncOk(file: string, args: string[]): void {
  const { status } = spawnSync(file, args);
  expect(status).toBe(0);
}

async function* chunk(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x');
}
