import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { findProgram } from '@ritmo/host-linux';
import type { SquashTools } from './image/squash.js';
import { unavailable } from './unavailable.js';

const searchPath = () => `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
const oldestQemu = 6;

/** Absolute paths, and what tells this QEMU from another. */
export interface VmTools {
  readonly qemu: string;
  readonly qemuVersion: string;
  readonly qemuIdentity: string;
  readonly bubblewrap: string;
  readonly busybox: string;
  readonly mke2fs: string;
  /** Undefined where squashfs-tools are missing. */
  readonly squash: SquashTools | undefined;
}

const programs = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['bwrap', 'bubblewrap'],
  ['busybox', 'busybox-static'],
  ['mke2fs', 'e2fsprogs'],
] as const;

/**
 * Finds what machines are made with.
 * @throws RITMO_EXECUTOR_UNAVAILABLE naming all that is missing, and the packages that have it.
 */
export async function requireTools(path = searchPath()): Promise<VmTools> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw unavailable(
      `The vm executor needs Linux on x64; this is ${process.platform} on ${process.arch}.`,
      'Use another isolation, or a worker on such a machine.',
    );
  }
  const found = programs.map(([name, debian]) => ({ name, debian, path: findProgram(name, path) }));
  const missing = found.filter((program) => program.path === undefined);
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    throw unavailable(`Not installed: ${names}.`, `apt-get install ${missing.map(({ debian }) => debian).join(' ')}`);
  }
  const [qemu = '', bubblewrap = '', busybox = '', mke2fs = ''] = found.map((program) => program.path ?? '');
  assertStatic(busybox);
  const version = await versionOf(qemu);
  const { size, mtimeMs } = statSync(qemu);
  return {
    qemu,
    qemuVersion: version,
    qemuIdentity: [qemu, version, size, mtimeMs].join(' '),
    bubblewrap,
    busybox,
    mke2fs,
    squash: squashTools(bubblewrap, path),
  };
}

function squashTools(bubblewrap: string, path: string): SquashTools | undefined {
  const [sqfstar, unsquashfs] = ['sqfstar', 'unsquashfs'].map((name) => findProgram(name, path));
  if (sqfstar === undefined || unsquashfs === undefined) return undefined;
  return { bubblewrap, sqfstar, unsquashfs };
}

async function versionOf(qemu: string): Promise<string> {
  let text: string;
  try {
    text = (await promisify(execFile)(qemu, ['--version'], { timeout: 20_000 })).stdout;
  } catch (error) {
    throw unavailable(
      `${qemu} does not run.`,
      'Install QEMU again: apt-get install --reinstall qemu-system-x86',
      error,
    );
  }
  const version = /version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1] ?? '0.0';
  if (Number(version.split('.')[0]) < oldestQemu)
    throw unavailable(`QEMU ${version} is too old.`, 'Install QEMU 6 or newer.');
  return version;
}

/** A program that needs libraries cannot run where there are none. */
function assertStatic(busybox: string): void {
  const file = readFileSync(busybox);
  const at = Number(file.readBigUInt64LE(32));
  const [size, count] = [file.readUInt16LE(54), file.readUInt16LE(56)];
  const interpreted = Array.from({ length: count }, (_, index) => file.readUInt32LE(at + index * size)).includes(3);
  if (interpreted) throw unavailable(`${busybox} is not static.`, 'apt-get install busybox-static');
}
