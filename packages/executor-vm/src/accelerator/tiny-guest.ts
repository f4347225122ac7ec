/** Where the guest writes to, and what it makes QEMU exit with. */
export const tinyGuest = { port: 0xf4, byte: 0x31, exitCode: (0x31 << 1) | 1 } as const;

const loadedAt = 0x100000;
const headerBytes = 32;

/** A kernel of a few bytes (multiboot) that says one byte to a port and halts: shows that a guest runs at all. */
export function tinyKernel(): Buffer {
  const code = Buffer.from([
    ...[0xb0, tinyGuest.byte], // mov al, byte
    ...[0xe6, tinyGuest.port], // out port, al
    ...[0xfa, 0xf4, 0xeb, 0xfd], // cli; hlt; again
  ]);
  const header = Buffer.alloc(headerBytes);
  const [magic, flags] = [0x1badb002, 0x10000];
  const length = headerBytes + code.length;
  const fields = [
    magic,
    flags,
    -(magic + flags),
    loadedAt,
    loadedAt,
    loadedAt + length,
    loadedAt + length,
    loadedAt + headerBytes,
  ];
  fields.forEach((value, index) => header.writeUInt32LE(value >>> 0, index * 4));
  return Buffer.concat([header, code]);
}
