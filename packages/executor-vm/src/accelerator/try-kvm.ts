import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Owner } from '@ritmo/host-linux';
import { type MachineHost, openMachine } from '../machine/factory.js';
import { tinyGuest, tinyKernel } from './tiny-guest.js';

const tinyMs = 3_000;
const bootMs = 15_000;
const diskBytes = 1024 * 1024;

export interface KvmTrial {
  readonly host: MachineHost;
  /** A folder for files that last as long as the trial. */
  readonly instance: string;
  readonly mark: string;
  readonly withUser: <T>(work: (user: Owner | undefined, kvmNode: string | undefined) => Promise<T>) => Promise<T>;
}

/**
 * Two guests with KVM: one of a few bytes, then the kernel of machines up to its hello. Resolves with what was wrong,
 * or with undefined when both ran in time. A timeout, a signal and a strange exit all mean that it cannot be used.
 */
export async function tryKvm(trial: KvmTrial): Promise<string | undefined> {
  const kernel = join(trial.instance, 'tiny-kernel');
  try {
    writeFileSync(kernel, tinyKernel(), { mode: 0o644 });
    return (await tiny(trial.host.tools.qemu, kernel)) ?? (await whole(trial));
  } finally {
    rmSync(kernel, { force: true });
  }
}

async function tiny(qemu: string, kernel: string): Promise<string | undefined> {
  const device = `isa-debug-exit,iobase=${tinyGuest.port},iosize=1`;
  const args = [
    '-M',
    'pc',
    '-accel',
    'kvm',
    '-cpu',
    'host',
    '-m',
    '16M',
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
  ];
  const child = spawn(qemu, [...args, '-no-reboot', '-device', device, '-kernel', kernel], {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: tinyMs,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-500)));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code === tinyGuest.exitCode) return undefined;
  if (signal === 'SIGKILL') return `a guest of a few bytes did not end within ${tinyMs / 1_000} s`;
  const last = said.trim().split('\n').at(-1) ?? '';
  const line = last.length > 120 ? `${last.slice(0, 119)}…` : last;
  return `a guest of a few bytes ended with ${signal ?? `code ${code}`}${line === '' ? '' : `: ${line}`}`;
}

async function whole({ host, instance, mark, withUser }: KvmTrial): Promise<string | undefined> {
  const path = join(instance, 'trial-disk');
  const disk = openSync(path, 'w+', 0o600);
  const image = openSync(path, 'r');
  try {
    ftruncateSync(disk, diskBytes);
    return await withUser(async (user, kvmNode) => {
      const hardware = { memoryMiB: 256, cpus: 1, accelerator: 'kvm' } as const;
      await using machine = openMachine(host, {
        shape: { hardware, memory: 'anonymous', imageFormat: 'raw', network: 'none' },
        files: { image, disk },
        user,
        kvmNode,
        mark,
      });
      await machine.boot(new AbortController().signal, bootMs);
      return undefined;
    });
  } catch (error) {
    return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
  } finally {
    closeSync(disk);
    closeSync(image);
    rmSync(path, { force: true });
  }
}
