const base = 0x400000;
const headerBytes = 64;
const segmentBytes = 56;

/**
 * A static program for Linux on x64: reads a `rand_pool_info` with 64 bytes and a `timespec` from stdin, has the generator
 * behind stdout take the bytes for entropy (RNDADDENTROPY), makes it begin anew (RNDRESEEDCRNG), sets the clock, and exits
 * with 0 when all of it worked.
 */
export function seedProgram(): Buffer {
  const code = Buffer.from([
    ...[0x48, 0x81, 0xec, 0x80, 0, 0, 0], // sub rsp, 128
    ...[0x31, 0xc0, 0x31, 0xff], // xor eax, eax (read); xor edi, edi
    ...[0x48, 0x89, 0xe6, 0xba, 88, 0, 0, 0], // mov rsi, rsp; mov edx, 88
    ...[0x0f, 0x05], // syscall
    ...[0x83, 0xf8, 88, 0x75, 0x3e], // cmp eax, 88; jne fail
    ...[0xb8, 16, 0, 0, 0, 0xbf, 1, 0, 0, 0], // mov eax, 16 (ioctl); mov edi, 1
    ...[0xbe, 0x03, 0x52, 0x08, 0x40], // mov esi, RNDADDENTROPY
    ...[0x48, 0x89, 0xe2, 0x0f, 0x05], // mov rdx, rsp; syscall
    ...[0x85, 0xc0, 0x75, 0x26], // test eax, eax; jnz fail
    ...[0xb8, 16, 0, 0, 0, 0xbe, 0x07, 0x52, 0, 0], // mov eax, 16 (ioctl); mov esi, RNDRESEEDCRNG
    ...[0x0f, 0x05], // syscall
    ...[0x85, 0xc0, 0x75, 0x16], // test eax, eax; jnz fail
    ...[0xb8, 227, 0, 0, 0, 0x31, 0xff], // mov eax, 227 (clock_settime); xor edi, edi (CLOCK_REALTIME)
    ...[0x48, 0x8d, 0x74, 0x24, 72, 0x0f, 0x05], // lea rsi, [rsp + 72]; syscall
    ...[0x85, 0xc0, 0x75, 0x04], // test eax, eax; jnz fail
    ...[0x31, 0xff, 0xeb, 0x05], // xor edi, edi; jmp exit
    ...[0xbf, 1, 0, 0, 0], // fail: mov edi, 1
    ...[0xb8, 60, 0, 0, 0, 0x0f, 0x05], // exit: mov eax, 60; syscall
  ]);
  const start = headerBytes + segmentBytes;
  const file = Buffer.alloc(start + code.length);
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(62, 18); // x86-64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + start), 24);
  file.writeBigUInt64LE(BigInt(headerBytes), 32);
  file.writeUInt16LE(headerBytes, 52);
  file.writeUInt16LE(segmentBytes, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt32LE(1, headerBytes); // loaded
  file.writeUInt32LE(5, headerBytes + 4); // readable and executable
  file.writeBigUInt64LE(BigInt(base), headerBytes + 16);
  file.writeBigUInt64LE(BigInt(base), headerBytes + 24);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 32);
  file.writeBigUInt64LE(BigInt(file.length), headerBytes + 40);
  file.writeBigUInt64LE(4096n, headerBytes + 48);
  code.copy(file, start);
  return file;
}

/** What the program reads: how many bits of entropy follow in how many bytes, the bytes, and the time in milliseconds. */
export function seedOf(random: Buffer, now: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(random.length * 8, 0);
  head.writeUInt32LE(random.length, 4);
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(Math.floor(now / 1_000)), 0);
  time.writeBigInt64LE(BigInt(Math.floor(now % 1_000)) * 1_000_000n, 8);
  return Buffer.concat([head, random, time]);
}
