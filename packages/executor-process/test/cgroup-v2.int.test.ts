import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, defaultServerConditions } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeInitramfs } from './guest/initramfs.js';
import { debianKernel } from './guest/kernel.js';

const programs = [
  ...['busybox', 'node', 'sh', 'bash', 'bwrap', 'mkfifo', 'cat', 'head', 'tail', 'wc', 'sleep', 'timeout', 'nice'],
  ...['mount', 'umount', 'setpriv', 'flock'],
];
let root: string;
let seen: Record<string, unknown>;

/** The host of the tests may have version 1 only; a small guest with Debian's kernel has version 2 only. */
describe.runIf(process.getuid?.() === 0 && process.arch === 'x64')('on control groups of version 2', () => {
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'ritmo-guest-'));
    await build({
      configFile: false,
      logLevel: 'error',
      resolve: { conditions: ['@ritmo/source', ...defaultServerConditions] },
      ssr: { noExternal: true, resolve: { conditions: ['@ritmo/source', ...defaultServerConditions] } },
      build: {
        ssr: join(import.meta.dirname, 'guest/main.ts'),
        outDir: root,
        emptyOutDir: false,
        rollupOptions: { output: { entryFileNames: 'guest.mjs' } },
      },
    });
    writeFileSync(join(root, 'initramfs'), makeInitramfs(programs, join(root, 'guest.mjs')));
    seen = await boot(root);
  }, 240_000);

  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  it('every limit is declared', () => {
    expect(seen['facts']).toMatchObject({ cgroup: 'v2' });
    expect(seen['limits']).toEqual(['cpu', 'memory', 'pids', 'disk']);
  });

  it('memory is bounded, the limit named, and the next step runs', () => {
    expect(seen['within']).toEqual({ status: 'exited', code: 0 });
    expect(seen['memory']).toMatchObject({ limit: 'memory' });
    expect(seen['after']).toBe('fine\n');
  });

  it('processes are bounded, and the limit named', () => {
    expect(seen['pids']).toMatchObject({ status: 'exited', limit: 'pids' });
  });

  it('time of cores is bounded', () => {
    expect(seen['cpuShare']).toBeGreaterThan(0.01);
    expect(seen['cpuShare']).toBeLessThan(0.35);
  });

  it('the use is counted from outside', () => {
    const { cpuMs, memoryPeakBytes } = seen['usage'] as { cpuMs: number; memoryPeakBytes: number };
    expect(cpuMs).toBeGreaterThan(0);
    expect(memoryPeakBytes).toBeGreaterThan(60 * 1024 * 1024);
  });

  it('nothing is left when the executor closes', () => {
    expect(seen['groups']).toBe(1);
    expect(seen['groupsLeft']).toEqual([]);
  });

  it('an agent in a tree that was delegated to it steps aside, and bounds its builds there', () => {
    expect(seen['delegated']).toMatchObject({
      limits: ['cpu', 'memory', 'pids', 'disk'],
      own: '0::/service/ritmo-agent',
      inService: [],
    });
    expect(seen['delegatedMemory']).toMatchObject({ limit: 'memory' });
  });
});

/** Runs the guest to its end and reads what it has seen. */
async function boot(folder: string): Promise<Record<string, unknown>> {
  // Emulated: a test machine is itself a guest, mostly, and what it then offers of KVM may not boot a kernel.
  const machine = [
    '-M',
    'pc,usb=off,smm=off,vmport=off,hpet=off,graphics=off',
    '-accel',
    'tcg,thread=multi',
    '-cpu',
    'max',
    '-smp',
    '2',
    '-m',
    '1536',
    '-nodefaults',
    '-no-user-config',
    '-no-reboot',
  ];
  const io = ['-display', 'none', '-nic', 'none', '-serial', 'stdio'];
  const quiet =
    'console=ttyS0 quiet loglevel=1 panic=-1 no_timer_check nokaslr nowatchdog mitigations=off audit=0 apparmor=0';
  const image = ['-kernel', debianKernel(), '-initrd', join(folder, 'initramfs'), '-append', quiet];
  const guest = spawn('qemu-system-x86_64', [...machine, ...io, ...image], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  guest.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  guest.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const bound = setTimeout(() => guest.kill('SIGKILL'), 200_000);
  try {
    await new Promise((resolve, reject) => guest.once('exit', resolve).once('error', reject));
  } finally {
    clearTimeout(bound);
  }
  const line = /SEEN (\{.*\})\r?$/m.exec(text)?.[1];
  if (line === undefined) throw new Error(`the guest said: ${text.slice(-4_000)}`);
  return JSON.parse(line) as Record<string, unknown>;
}
