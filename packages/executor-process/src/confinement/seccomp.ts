import { constants } from 'node:os';
import { auditArch, seccomp, type SeccompInstruction, seccompProgram } from '@ritmo/host-linux';
import { missing, refused } from './syscalls.js';

const { load, jumpIfEqual, jumpIfAtLeast, give, numberOffset, archOffset, allow, fail } = seccomp;
/** Calls of the x32 way into a 64-bit x86 kernel have this bit, and would miss every number of the table. */
const x32Bit = 0x40000000;

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
  return seccompProgram([[load, archOffset], ...native, ...compatible, [give, fail(constants.errno.ENOSYS)]]);
}

/** Begins with the architecture loaded, and is jumped over when it is another one. */
function section(arch: number, numbers: readonly number[], closesX32: boolean): SeccompInstruction[] {
  const x32: SeccompInstruction[] = closesX32 ? [[jumpIfAtLeast, x32Bit, numbers.length + missing.length + 2, 0]] : [];
  // After the comparisons: allow, EPERM, ENOSYS.
  const tests = [
    ...numbers.map(
      (number, index): SeccompInstruction => [jumpIfEqual, number, numbers.length - index + missing.length, 0],
    ),
    ...missing.map((number, index): SeccompInstruction => [jumpIfEqual, number, missing.length - index + 1, 0]),
  ];
  const body: SeccompInstruction[] = [
    [load, numberOffset],
    ...x32,
    ...tests,
    [give, allow],
    [give, fail(constants.errno.EPERM)],
    [give, fail(constants.errno.ENOSYS)],
  ];
  return [[jumpIfEqual, arch, 0, body.length], ...body];
}
