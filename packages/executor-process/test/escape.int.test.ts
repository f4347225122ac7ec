import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Sandbox } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outputScope, sh, Workbench } from './support/bench.js';

let bench: Workbench;
let sandbox: Sandbox & { hostPath: string; uid: number };

beforeAll(async () => {
  bench = await Workbench.open();
  sandbox = await bench.sandbox();
});

afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

/** Runs the attempt outside, as the agent: it must work there, or it would show nothing inside. */
function outside(script: string, ...args: string[]): string {
  const run = spawnSync('/bin/sh', ['-c', script, 'sh', ...args], { encoding: 'utf8' });
  expect(run.status, `the control did not work: ${run.stderr}`).toBe(0);
  return run.stdout;
}

async function refused(script: string, ...args: string[]): Promise<string> {
  const { exit, stdout, stderr } = await sh(sandbox, script, args);
  expect(exit.status === 'exited' && exit.code !== 0, `it worked: ${JSON.stringify(exit)} ${stdout}`).toBe(true);
  return stdout + stderr;
}

const root = process.getuid?.() === 0;

describe('a build cannot read', () => {
  it('the environment of the agent', async () => {
    const script = `tr '\\0' '\\n' < /proc/"$1"/environ | grep -c .`;
    outside(script, String(process.pid));
    await refused(script, String(process.pid));
    const { stdout } = await sh(sandbox, 'cat /proc/[0-9]*/environ | tr "\\0" "\\n"');
    expect(stdout).toContain('RITMO_SANDBOX=');
    expect(stdout).not.toContain('VITEST');
  });

  it.runIf(root)('/etc/shadow', async () => {
    outside('grep -c root /etc/shadow');
    await refused('grep -c root /etc/shadow');
  });

  it('the folders of people, of the system and of the agent', async () => {
    writeFileSync(join(bench.stateDir, 'token'), 'secret');
    const folders = ['/root', '/var/lib', '/boot', bench.stateDir, '/sys', '/run/systemd', '/mnt'];
    outside('cat "$1/token"', bench.stateDir);
    await refused('cat "$1/token"', bench.stateDir);
    for (const folder of folders) await refused('ls -A "$1"/* 2>/dev/null | grep .', folder);
    const { stdout } = await sh(sandbox, 'ls /; ls /home');
    const names = stdout.split('\n').filter((name) => name !== '');
    const shown = [
      'bin',
      'build',
      'dev',
      'etc',
      'home',
      'lib',
      'lib32',
      'lib64',
      'libx32',
      'nix',
      'proc',
      'run',
      'sbin',
    ];
    expect(names.filter((name) => ![...shown, 'tmp', 'usr', 'var', 'workspace'].includes(name))).toEqual([]);
  });

  it('the workspace of another job, by its path or as its user', async () => {
    const other = await bench.sandbox();
    await sh(other, 'echo mine > file; chmod 666 file');
    outside('cat "$1/file"', other.hostPath);
    await refused('cat "$1/file"', other.hostPath);
    if (root) {
      expect(other.uid).not.toBe(sandbox.uid);
      const asJob = spawnSync('cat', [join(other.hostPath, 'file')], { uid: sandbox.uid, gid: sandbox.uid });
      expect(asJob.status).not.toBe(0);
    }
    await other[Symbol.asyncDispose]();
  });
});

describe('a build cannot change', () => {
  it('the system', async () => {
    const write = ': > "$1"/ritmo-escape';
    outside(write, bench.stateDir);
    for (const folder of ['/usr', '/etc', '', '/proc/sys/kernel']) await refused(write, folder);
    const { stdout } = await sh(sandbox, 'grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status');
    expect(stdout.replaceAll('\t', '')).toBe('CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\n');
  });

  it('what is mounted', async () => {
    const attempt = 'mkdir -p m && mount -t tmpfs none m';
    if (root) outside(`cd "$1" && unshare -m sh -c '${attempt}'`, bench.root);
    await refused(attempt);
    if (root) outside('unshare -m umount -l /proc');
    await refused('umount -l /proc');
  });

  it('its user, by a user namespace of its own', async () => {
    if (root) outside('unshare --user --map-root-user true');
    await refused('unshare --user --map-root-user true');
  });

  it('what is in its private folder', async () => {
    const file = { kind: 'file', path: 'token', mode: 0o600, mtimeMs: 0, size: 4, body: chunks('hush') } as const;
    await sandbox.put([file], sandbox.privateDir, new AbortController().signal);
    expect((await sh(sandbox, 'cat "$1"/token', [sandbox.privateDir])).stdout).toBe('hush');
    for (const attempt of ['echo x > "$1"/token', 'rm -f "$1"/token']) {
      outside(attempt, bench.stateDir);
      await refused(attempt, sandbox.privateDir);
    }
  });
});

describe('a build cannot reach', () => {
  it('the agent with a signal', async () => {
    outside('kill -0 "$1"', String(process.pid));
    await refused('kill -0 "$1"', String(process.pid));
    expect((await sh(sandbox, 'ls -d /proc/[0-9]* | wc -l')).stdout.trim()).toMatch(/^[3-6]$/);
  });

  describe('a service', () => {
    let server: Server;
    let abstract: Server;
    let connections = 0;

    beforeAll(async () => {
      server = createServer((socket) => {
        connections += 1;
        socket.end('reached');
      });
      abstract = createServer((socket) => socket.end('reached'));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      await new Promise<void>((resolve) => abstract.listen(`\0ritmo-test-${process.pid}`, resolve));
    });

    afterAll(() => {
      server.close();
      abstract.close();
    });

    const perl =
      'use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0], Timeout => 5) or exit 7; print <$s>;';

    it('on the loopback of the host, without network', async () => {
      const port = String((server.address() as { port: number }).port);
      const { status, stdout } = await run(['perl', '-e', perl, port]);
      expect([status, stdout]).toEqual([0, 'reached']);
      const before = connections;
      await refused('exec perl -e "$1" "$2"', perl, port);
      expect(connections).toBe(before);
    });

    it('on an abstract socket of the host', async () => {
      // Some versions of Node fill the name up with NULs, some do not.
      const client =
        'use Socket; my $n = chr(0)."ritmo-test-$ARGV[0]"; socket(my $s, PF_UNIX, SOCK_STREAM, 0);' +
        'for ($n, $n.(chr(0) x (108 - length $n))) { if (connect($s, pack_sockaddr_un($_))) { print <$s>; exit 0 } } exit 7';
      const { status, stdout } = await run(['perl', '-e', client, String(process.pid)]);
      expect([status, stdout]).toEqual([0, 'reached']);
      await refused('exec perl -e "$1" "$2"', client, String(process.pid));
    });
  });
});

describe('a build cannot call', () => {
  /** By number, with arguments that the kernel would answer otherwise: prints the error's number. */
  const call =
    'my @a = @ARGV; my $n = shift @a; my $r = syscall($n + 0, map { $_ + 0 } @a); print $r < 0 ? $! + 0 : "ok"';
  const syscalls = [
    // KEYCTL_GET_KEYRING_ID of the session: keyrings are in no namespace.
    ['keyctl', '250', '0', '-3', '0'],
    // PERF_COUNT_SW_CPU_CLOCK of no process would be EFAULT.
    ['perf_event_open', '298', '0', '0', '-1', '-1', '0'],
    ['bpf', '321', '-1', '0', '0'],
    ['userfaultfd', '323', '2048'],
    ['mount', '165', '0', '0', '0', '0', '0'],
    ['fsopen', '430', '0', '0'],
    ['kexec_load', '246', '-1', '-1', '0', '-1'],
    ['setns', '308', '-1', '0'],
    ['open_by_handle_at', '304', '-1', '0', '0'],
    ['clock_settime', '227', '0', '0'],
  ];

  it.runIf(process.arch === 'x64' && root).each(syscalls)('%s', async (_name, ...args) => {
    const control = spawnSync('perl', ['-e', call, ...args], { encoding: 'utf8' });
    // The kernel of the host takes the call up: it works, or it does not like what it was given.
    expect(control.stdout, 'the control did not work').not.toBe('1');
    const { stdout } = await sh(sandbox, 'exec perl -e "$@"', [call, ...args]);
    expect(stdout).toBe('1');
  });

  it.runIf(process.arch === 'x64')('anything by the numbers of x32, nor make a ring of calls', async () => {
    const ring = ['425', '0', '0'];
    expect(spawnSync('perl', ['-e', call, ...ring], { encoding: 'utf8' }).stdout).not.toBe('1');
    expect((await sh(sandbox, 'exec perl -e "$@"', [call, ...ring])).stdout).toBe('38');
    const x32 = String(0x40000000 + 39);
    expect((await sh(sandbox, 'exec perl -e "$@"', [call, x32])).stdout).toBe('38');
  });

  it('but a debugger still traces its own child', async () => {
    const trace =
      'my $p = fork; if (!$p) { syscall(101, 0, 0, 0, 0); kill "STOP", $$; exit 5 } waitpid($p, 2); syscall(101, 7, $p, 0, 0); waitpid($p, 0); print $? >> 8';
    if (process.arch === 'x64') expect((await sh(sandbox, 'exec perl -e "$1"', [trace])).stdout).toBe('5');
  });

  it.runIf(root && process.arch === 'x64')('a trace on the agent', async () => {
    const attach = 'my $r = syscall(101, 16, $ARGV[0] + 0, 0, 0); print $r < 0 ? $! + 0 : "ok"';
    const victim = spawn('sleep', ['600']);
    try {
      expect(spawnSync('perl', ['-e', attach, String(victim.pid)], { encoding: 'utf8' }).stdout).toBe('ok');
      expect((await sh(sandbox, 'exec perl -e "$@"', [attach, String(victim.pid)])).stdout).toBe('3');
    } finally {
      victim.kill('SIGKILL');
    }
  });

  it.runIf(root)('the clock, nor the name of the host', async () => {
    // Without a control, which would set the clock of the host.
    await refused('date -s "@$(date +%s)"');
    outside('unshare --uts hostname other');
    await refused('hostname other');
  });
});

describe('a build cannot hold up', () => {
  it('its end, by a process in the background that keeps the output open', async () => {
    const hold = 'setsid sleep 4343 & echo $!';
    // Outside, whoever reads to the end waits for the sleeper.
    const control = spawn('sh', ['-c', hold], { stdio: ['ignore', 'pipe', 'ignore'] });
    let closed = false;
    control.stdout.once('close', () => (closed = true));
    const sleeper = new Promise<number>((resolve) =>
      control.stdout.once('data', (data: Buffer) => resolve(Number(data.toString()))),
    );
    await new Promise((resolve) => control.once('exit', resolve));
    expect(closed).toBe(false);
    process.kill(await sleeper, 'SIGKILL');
    const { exit, stdout } = await sh(sandbox, hold);
    expect(exit).toMatchObject({ status: 'exited', code: 0, stragglers: 1 });
    expect(stdout).toMatch(/^\d+\n$/);
  });

  it('a cancel, by ignoring the stop signal', async () => {
    const stubborn = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.05; done";
    const control = spawn('sh', ['-c', stubborn], { stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((resolve) => control.stdout.once('data', resolve));
    control.kill('SIGTERM');
    expect(control.exitCode ?? control.signalCode).toBeNull();
    control.kill('SIGKILL');
    const cancel = new AbortController();
    const { stepScope, seen } = outputScope({ signal: cancel.signal });
    const run = sandbox.run({ id: 'stubborn', argv: ['sh', '-c', stubborn], env: {} }, stepScope);
    await seen('deaf');
    cancel.abort({ reason: 'user', graceMs: 50 });
    expect(await run).toEqual({ status: 'cancelled', reason: 'user', forced: true });
  });
});

describe('nothing of a build stays', () => {
  it('of a daemon that forked twice into a session of its own', async () => {
    const { exit } = await sh(
      sandbox,
      '(setsid sh -c "trap \\"\\" TERM HUP; (setsid sleep 4242 &) ; : > up; sleep 4242" >&- 2>&- &) ; while [ ! -e up ]; do sleep 0.01; done; rm up',
    );
    expect(exit).toMatchObject({ status: 'exited', code: 0 });
    expect(exit.status === 'exited' && (exit.stragglers ?? 0)).toBeGreaterThanOrEqual(2);
    expect(readAllCommandLines()).not.toContain('sleep\x004242');
  });
});

function readAllCommandLines(): string {
  return spawnSync('sh', ['-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null'], { encoding: 'latin1' }).stdout;
}

async function run([file, ...args]: [string, ...string[]]): Promise<{ status: number | null; stdout: string }> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout };
}

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
