/** Classic BPF, as in linux/filter.h and linux/seccomp.h. */
const load = 0x20;
const jumpIfEqual = 0x15;
const answer = 0x06;
const allow = 0x7fff0000;
/** SECCOMP_RET_ERRNO with 0: the call is not made, and its caller is told that it went well. */
const pretend = 0x00050000;
/** Where `struct seccomp_data` has them. */
const numberAt = 0;
const architectureAt = 4;

const x64 = { architecture: 0xc000003e, fsync: 74, fdatasync: 75 };

/** A filter of system calls for bubblewrap's `--seccomp`: on x64 `fsync` and `fdatasync` do nothing and succeed. */
export function withoutSync(): Buffer {
  const program = [
    [load, 0, 0, architectureAt],
    [jumpIfEqual, 0, 3, x64.architecture],
    [load, 0, 0, numberAt],
    [jumpIfEqual, 2, 0, x64.fsync],
    [jumpIfEqual, 1, 0, x64.fdatasync],
    [answer, 0, 0, allow],
    [answer, 0, 0, pretend],
  ] as const;
  return Buffer.concat(
    program.map(([code, ifTrue, ifFalse, value]) => {
      const instruction = Buffer.alloc(8);
      instruction.writeUInt16LE(code, 0);
      instruction.writeUInt8(ifTrue, 2);
      instruction.writeUInt8(ifFalse, 3);
      instruction.writeUInt32LE(value, 4);
      return instruction;
    }),
  );
}
