import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Sandbox } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

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
    await refused(': > /usr/x');
    await refused(': > /etc/x');
    await refused(': > /x');
    const { stdout } = await sh(sandbox, 'grep -E "^(CapEff|CapBnd|NoNewPrivs)" /proc/self/status');
    expect(stdout.replaceAll('\t', '')).toBe('CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\n');
  });

  it('what is mounted', async () => {
    const attempt = 'mkdir -p m && mount -t tmpfs none m';
    if (root) outside(`cd "$1" && unshare -m sh -c '${attempt}'`, bench.root);
    await refused(attempt);
    await refused('umount /proc');
  });

  it('its user, by a user namespace of its own', async () => {
    if (root) outside('unshare --user --map-root-user true');
    await refused('unshare --user --map-root-user true');
  });

  it('what is in its private folder', async () => {
    const file = { kind: 'file', path: 'token', mode: 0o600, mtimeMs: 0, size: 4, body: chunks('hush') } as const;
    await sandbox.put([file], sandbox.privateDir, new AbortController().signal);
    expect((await sh(sandbox, 'cat "$1"/token', [sandbox.privateDir])).stdout).toBe('hush');
    await refused('echo x > "$1"/token', sandbox.privateDir);
    await refused('rm -f "$1"/token', sandbox.privateDir);
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
