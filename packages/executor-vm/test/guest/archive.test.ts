import { describe, expect, it } from 'vitest';
import { newcArchive } from '../../src/guest/archive.js';
import { seedOf, seedProgram } from '../../src/guest/seed-program.js';
import { tinyKernel } from '../../src/accelerator/tiny-guest.js';

/** Reads a newc archive as the kernel does. */
function read(archive: Buffer) {
  const entries: Array<{ path: string; mode: number; data: string }> = [];
  for (let at = 0; ; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const [mode, size, nameLength] = [field(1), field(6), field(11)];
    const path = archive.toString('utf8', at + 110, at + 110 + nameLength - 1);
    const body = Math.ceil((at + 110 + nameLength) / 4) * 4;
    if (path === 'TRAILER!!!') return entries;
    entries.push({ path, mode, data: archive.toString('utf8', body, body + size) });
    at = Math.ceil((body + size) / 4) * 4;
  }
}

describe('the first root of a machine', () => {
  it('is an archive that the kernel can read', () => {
    const archive = newcArchive([
      { kind: 'folder', path: 'bin' },
      { kind: 'file', path: 'bin/one', mode: 0o755, data: Buffer.from('odd') },
      { kind: 'link', path: 'bin/two', target: 'one' },
      { kind: 'device', path: 'null', major: 1, minor: 3 },
    ]);
    expect(read(archive)).toEqual([
      { path: 'bin', mode: 0o040755, data: '' },
      { path: 'bin/one', mode: 0o100755, data: 'odd' },
      { path: 'bin/two', mode: 0o120777, data: 'one' },
      { path: 'null', mode: 0o020600, data: '' },
    ]);
  });

  it('has a program for the seed that is an executable of the size its header says', () => {
    const program = seedProgram();
    expect(program.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
    expect(Number(program.readBigUInt64LE(64 + 32))).toBe(program.length);
    const [seconds, nanoseconds] = ['0100000000000000', '0065cd1d00000000'];
    const seed = seedOf(Buffer.alloc(64, 7), 1_500);
    expect(seed.toString('hex')).toBe(`0002000040000000${'07'.repeat(64)}${seconds}${nanoseconds}`);
  });
});

describe('the kernel of a few bytes', () => {
  it('begins with a header of multiboot whose sum is zero', () => {
    const kernel = tinyKernel();
    const sum = [0, 4, 8].reduce((total, at) => total + kernel.readUInt32LE(at), 0);
    expect(sum % 2 ** 32).toBe(0);
    expect(kernel.readUInt32LE(20)).toBe(0x100000 + kernel.length);
  });
});
