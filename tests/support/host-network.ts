import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** TCP and UDP on all addresses of this host, IPv4 and IPv6. */
export class HostService implements AsyncDisposable {
  readonly heard: string[] = [];
  /** How many TCP connections were made, said they something or not. */
  connections = 0;
  readonly #tcp: Server = createServer((socket) => {
    this.connections += 1;
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      this.heard.push(data.toString().trim());
      socket.end();
    });
  });
  readonly #udp: Socket = createSocket('udp6', (data) => this.heard.push(data.toString().trim()));
  tcpPort = 0;
  udpPort = 0;

  async open(): Promise<this> {
    this.#tcp.listen(0, '::');
    this.#udp.bind(0, '::');
    await Promise.all([once(this.#tcp, 'listening'), once(this.#udp, 'listening')]);
    this.tcpPort = (this.#tcp.address() as AddressInfo).port;
    this.udpPort = this.#udp.address().port;
    return this;
  }

  /** Resolves once a text was heard. */
  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }
}

/** Bound of a hook that opens one: whoever has it may keep it for all tests of a file. */
export const outsideMs = 600_000;

/**
 * A stand-in for the world: another network namespace behind a cable, and a server in it, TCP and UDP on one port. A
 * `bridged` one is behind a bridge of this host, as containers are. There is one of each kind at a time on a host, as its
 * addresses and routes are the host's.
 */
export class Outside implements AsyncDisposable {
  readonly name: string;
  readonly hostAddresses: readonly string[];
  readonly addresses: readonly string[];
  /** Interface of this host that leads to it. */
  readonly device: string;
  /** What datagrams said. */
  readonly heard: string[] = [];
  /** What its addresses begin with, IPv4 and IPv6. */
  readonly #prefixes: readonly [string, string];
  #server: ChildProcess | undefined;
  #turn: Server | undefined;
  port = 0;

  constructor(kind: 'cable' | 'bridged' = 'cable') {
    this.name = `rtm${kind[0]}${process.pid}`;
    this.device = kind === 'bridged' ? `${this.name}b` : `${this.name}h`;
    this.#prefixes = kind === 'bridged' ? ['203.0.113', '2001:db8:78:'] : ['198.51.100', '2001:db8:77:'];
    const [four, six] = this.#prefixes;
    this.hostAddresses = [`${four}.1`, `${six}:1`];
    this.addresses = [`${four}.2`, `${six}:2`];
  }

  async open(): Promise<this> {
    const { device } = this;
    const [four, six] = this.#prefixes;
    this.#turn = await takeTurn(`ritmo-outside-${four}`);
    ip(`netns add ${this.name}`);
    ip(`link add ${this.name}h type veth peer name ${this.name}o netns ${this.name}`);
    if (device !== `${this.name}h`) {
      ip(`link add ${device} type bridge`);
      ip(`link set ${this.name}h master ${device} up`);
    }
    ip(`address add ${four}.1/24 dev ${device}`);
    ip(`address add ${six}:1/64 dev ${device} nodad`);
    ip(`link set ${device} up`);
    ip(`-n ${this.name} address add ${four}.2/24 dev ${this.name}o`);
    ip(`-n ${this.name} address add ${six}:2/64 dev ${this.name}o nodad`);
    ip(`-n ${this.name} link set ${this.name}o up`);
    const script = `const s = require('node:net').createServer((c) => c.on('error', () => 0).end('from outside'));
      const u = require('node:dgram').createSocket('udp6', (text) => console.log(String(text)));
      s.listen(0, '::', () => u.bind(s.address().port, '::', () => console.log(s.address().port)));
      process.stdin.resume().on('end', () => process.exit());`;
    this.#server = spawn('ip', ['netns', 'exec', this.name, process.execPath, '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: this.#server.stdout as Readable });
    const [port] = (await once(lines, 'line')) as [string];
    this.port = Number(port);
    lines.on('line', (line) => this.heard.push(line));
    return this;
  }

  /** Has it answer at one more address, to which this host then has a way. */
  answerAt(address: string): void {
    const v6 = address.includes(':');
    ip(`-n ${this.name} address add ${address}/${v6 ? '128' : '32'} dev ${this.name}o${v6 ? ' nodad' : ''}`);
    ip(`${v6 ? '-6' : '-4'} route add ${address} dev ${this.device}`);
  }

  /** Resolves once a datagram has said so. */
  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    if (server !== undefined) {
      server.stdin?.end();
      await once(server, 'exit');
    }
    for (const device of [`${this.name}h`, this.device]) spawnSync('ip', ['link', 'delete', device]);
    ip(`netns delete ${this.name}`);
    this.#turn?.close();
  }
}

/** Resolves when nobody else of this host has it; whoever dies gives it back. */
async function takeTurn(name: string): Promise<Server> {
  for (;;) {
    const server = createServer().listen(`\0${name}`);
    try {
      await once(server, 'listening');
      return server;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Runs one command of the system's own tool. */
export const ip = (line: string) => execFileSync('ip', line.split(' '));

/** All addresses of this host by the system's own tool, whether their interface is up or not. */
export function addressesOfHost(): string[] {
  const links = JSON.parse(execFileSync('ip', ['-json', 'address'], { encoding: 'utf8' })) as Array<{
    ifname: string;
    addr_info: Array<{ local: string; scope: string }>;
  }>;
  return links.flatMap(({ ifname, addr_info }) =>
    addr_info.map(({ local, scope }) => (scope === 'link' ? `${local}%${ifname}` : local)),
  );
}
