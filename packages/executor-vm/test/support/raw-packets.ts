import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A program without a library: sends each file that it is given as a frame of the interface with that number. */
const source = `
static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
    : "rcx", "r11", "memory");
  return result;
}
static unsigned char frame[4096];
static struct { unsigned short family, protocol; int interface; unsigned short kind; unsigned char type, length, address[8]; } to;
__attribute__((used)) void begin(long *stack) {
  char **argv = (char **)(stack + 1);
  int interface = 0;
  for (char *at = argv[1]; *at; at++) interface = interface * 10 + *at - '0';
  long raw = call(41, 17, 3, 0x0300, 0, 0, 0); /* socket(AF_PACKET, SOCK_RAW, all) */
  if (raw < 0) call(60, 2, 0, 0, 0, 0, 0);
  to.family = 17;
  to.protocol = 0x0300;
  to.interface = interface;
  for (long i = 2; i < stack[0]; i++) {
    long file = call(2, (long)argv[i], 0, 0, 0, 0, 0);
    long size = call(0, file, (long)frame, sizeof frame, 0, 0, 0);
    if (size <= 0 || call(44, raw, (long)frame, size, 0, (long)&to, 20) != size) call(60, 3, 0, 0, 0, 0, 0);
    call(3, file, 0, 0, 0, 0, 0);
  }
  call(60, 0, 0, 0, 0, 0, 0);
}
__asm__(".globl _start\\n_start: mov %rsp, %rdi\\n and $-16, %rsp\\n call begin\\n");
`;

/** Compiles the program to `folder/raw`, static and for any Linux on x64. */
export function compileRawSender(folder: string): void {
  writeFileSync(join(folder, 'raw.c'), source);
  const options = ['-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-builtin', '-O1', '-w'];
  execFileSync('gcc', [...options, '-o', join(folder, 'raw'), join(folder, 'raw.c')]);
}

export interface Datagram {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly text: string;
  readonly targetMac: string;
  readonly sourceMac?: string;
}

/** UDP in IPv4 or IPv6 in Ethernet, byte by byte. */
export function udpFrame(datagram: Datagram): Buffer {
  const { from, to, port, text } = datagram;
  const data = Buffer.from(text);
  const udp = Buffer.alloc(8 + data.length);
  udp.writeUInt16BE(4_000, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(udp.length, 4);
  data.copy(udp, 8);
  return ipFrame(datagram, 17, udp, 6, from, to);
}

/** The first packet of a TCP connection. */
export function synFrame(datagram: Datagram): Buffer {
  const { from, to, port } = datagram;
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(4_001, 0);
  tcp.writeUInt16BE(port, 2);
  tcp.writeUInt32BE(1, 4);
  tcp[12] = 5 << 4;
  tcp[13] = 2;
  tcp.writeUInt16BE(64_000, 14);
  return ipFrame(datagram, 6, tcp, 16, from, to);
}

/** Says to everybody that an address is at this machine's card (2), or asks who has it (1). */
export function arpFrame(operation: 1 | 2, address: string, sourceMac: string): Buffer {
  const arp = Buffer.concat([
    Buffer.from([0, 1, 8, 0, 6, 4, 0, operation]),
    macBytes(sourceMac),
    addressBytes(operation === 2 ? address : '10.0.3.15'),
    Buffer.alloc(6, operation === 2 ? 0xff : 0),
    addressBytes(address),
  ]);
  return ethernet({ targetMac: 'ff:ff:ff:ff:ff:ff', sourceMac }, 0x0806, arp);
}

function ipFrame(
  datagram: Pick<Datagram, 'targetMac' | 'sourceMac'>,
  protocol: number,
  payload: Buffer,
  checksumAt: number,
  from: string,
  to: string,
): Buffer {
  const addresses = [addressBytes(from), addressBytes(to)];
  const pseudo = Buffer.concat([...addresses, Buffer.from([0, protocol, payload.length >> 8, payload.length & 255])]);
  payload.writeUInt16BE(checksum(Buffer.concat([pseudo, payload])) || 0xffff, checksumAt);
  if (to.includes(':')) {
    const header = Buffer.from([0x60, 0, 0, 0, payload.length >> 8, payload.length & 255, protocol, 64]);
    return ethernet(datagram, 0x86dd, Buffer.concat([header, ...addresses, payload]));
  }
  const header = Buffer.concat([Buffer.from([0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0]), ...addresses]);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(checksum(header), 10);
  return ethernet(datagram, 0x0800, Buffer.concat([header, payload]));
}

function ethernet({ targetMac, sourceMac }: Pick<Datagram, 'targetMac' | 'sourceMac'>, type: number, body: Buffer) {
  const kind = Buffer.from([type >> 8, type & 255]);
  const frame = Buffer.concat([macBytes(targetMac), macBytes(sourceMac ?? guestMac), kind, body]);
  return frame.length < 60 ? Buffer.concat([frame, Buffer.alloc(60 - frame.length)]) : frame;
}

/** The card that all machines have. */
export const guestMac = '52:54:00:12:34:56';

const macBytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');

function addressBytes(address: string): Buffer {
  const [bare = ''] = address.split('%');
  if (!bare.includes(':')) return Buffer.from(bare.split('.').map(Number));
  const [head = '', tail] = bare.split('::');
  const words = (text: string | undefined) => (text === undefined || text === '' ? [] : text.split(':'));
  const [before, after] = [words(head), words(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...after].map((word) => word.padStart(4, '0')).join(''), 'hex');
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
