/** The architectures that a kernel tells apart, by the number that it gives a filter (linux/audit.h). */
export const auditArch = { x64: 0xc000003e, ia32: 0x40000003, arm64: 0xc00000b7, arm: 0x40000028 } as const;

/** Words of filters for system calls, as in linux/filter.h and linux/seccomp.h. */
export const seccomp = {
  load: 0x20,
  jumpIfEqual: 0x15,
  jumpIfAtLeast: 0x35,
  give: 0x06,
  /** Where `struct seccomp_data` has what can be loaded. */
  numberOffset: 0,
  archOffset: 4,
  allow: 0x7fff0000,
  /** The call is not made, and its caller is given the number; 0 tells it that all went well. */
  fail: (errno: number) => 0x00050000 | errno,
} as const;

/** One instruction of classic BPF; jumps count the instructions that they leave out. */
export type SeccompInstruction = readonly [code: number, value: number, ifTrue?: number, ifFalse?: number];

/** The program as bytes of `struct sock_filter`, which bubblewrap's `--seccomp` reads. */
export function seccompProgram(instructions: readonly SeccompInstruction[]): Buffer {
  const bytes = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, value, ifTrue = 0, ifFalse = 0], index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  });
  return bytes;
}
