import { constants } from 'node:os';
import { auditArch, missing, refused } from './syscalls.js';

/** Instructions of classic BPF that the filter is made of. */
const load = 0x20;
const jumpIfEqual = 0x15;
const jumpIfAtLeast = 0x35;
const give = 0x06;

const numberOffset = 0;
const archOffset = 4;
const allow = 0x7fff0000;
const fail = (errno: number) => 0x00050000 | errno;
/** Calls of the x32 way into a 64-bit x86 kernel have this bit, and would miss every number of the table. */
const x32Bit = 0x40000000;

type Instruction = readonly [code: number, value: number, ifTrue?: number, ifFalse?: number];

/**
 * The filter that every process of a sandbox has, as bytes of `struct sock_filter`; undefined for an architecture
 * without a table. Refused calls fail with EPERM; those of another architecture, and those that programs do
 * without, with ENOSYS.
 */
export function seccompFilter(arch: string): Uint8Array | undefined {
  if (arch !== 'x64' && arch !== 'arm64') return undefined;
  const native = section(auditArch[arch], refused[arch], arch === 'x64');
  const narrow = arch === 'x64' ? 'ia32' : 'arm';
  const compatible = section(auditArch[narrow], refused[narrow], false);
  const program: Instruction[] = [[load, archOffset], ...native, ...compatible, [give, fail(constants.errno.ENOSYS)]];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, value, ifTrue = 0, ifFalse = 0], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  });
  return bytes;
}

/** Begins with the architecture loaded, and is jumped over when it is another one. */
function section(arch: number, numbers: readonly number[], closesX32: boolean): Instruction[] {
  const x32: Instruction[] = closesX32 ? [[jumpIfAtLeast, x32Bit, numbers.length + missing.length + 2, 0]] : [];
  // After the comparisons: allow, EPERM, ENOSYS.
  const tests = [
    ...numbers.map((number, index): Instruction => [jumpIfEqual, number, numbers.length - index + missing.length, 0]),
    ...missing.map((number, index): Instruction => [jumpIfEqual, number, missing.length - index + 1, 0]),
  ];
  const body: Instruction[] = [
    [load, numberOffset],
    ...x32,
    ...tests,
    [give, allow],
    [give, fail(constants.errno.EPERM)],
    [give, fail(constants.errno.ENOSYS)],
  ];
  return [[jumpIfEqual, arch, 0, body.length], ...body];
}
