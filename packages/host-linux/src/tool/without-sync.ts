import { auditArch, seccomp, seccompProgram } from '../process/seccomp-program.js';

const { load, jumpIfEqual, give, numberOffset, archOffset, allow, fail } = seccomp;
const calls = { x64: { fsync: 74, fdatasync: 75 }, arm64: { fsync: 82, fdatasync: 83 } } as const;

/**
 * A filter of system calls with which `fsync` and `fdatasync` do nothing and succeed; undefined for an architecture
 * whose numbers are not known here.
 */
export function withoutSync(arch: string): Buffer | undefined {
  if (arch !== 'x64' && arch !== 'arm64') return undefined;
  const { fsync, fdatasync } = calls[arch];
  return seccompProgram([
    [load, archOffset],
    [jumpIfEqual, auditArch[arch], 0, 3],
    [load, numberOffset],
    [jumpIfEqual, fsync, 2, 0],
    [jumpIfEqual, fdatasync, 1, 0],
    [give, allow],
    [give, fail(0)],
  ]);
}
