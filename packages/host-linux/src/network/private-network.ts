import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import type { Owner } from '../files/write-tree.js';
import { hostPrefixes } from './host-addresses.js';
import { kernelHasIpv6, metadataPrefixes } from './metadata.js';
import type { NetworkTools } from './network-tools.js';

const readyMs = 20_000;
const device = 'tap0';
/** Where the name server of a private network answers. */
export const privateNameServer = '10.0.2.3';

export interface PrivateNetworkRequest {
  readonly tools: NetworkTools;
  /** Who holds it, and may enter it; nobody is asked where absent. */
  readonly owner: Owner | undefined;
  readonly signal: AbortSignal;
}

/**
 * A network namespace with a way out and none to this host: a process that holds it, slirp4netns which carries, and
 * routes that lead nowhere for all addresses of the host and the metadata of clouds. All of it ends with this process.
 */
export class PrivateNetwork implements AsyncDisposable {
  readonly #request: PrivateNetworkRequest;
  readonly #holder: ChildProcess;
  #carrier: ChildProcess | undefined;
  readonly #closed = new Set<string>();

  /** Resolves when traffic can pass; rejects with what the tools said. */
  static async open(request: PrivateNetworkRequest): Promise<PrivateNetwork> {
    const network = new PrivateNetwork(request);
    try {
      await network.#start();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(request: PrivateNetworkRequest) {
    this.#request = request;
    const { unshare, ip } = request.tools;
    const hold = '"$1" link set lo up && echo up && exec cat >/dev/null';
    this.#holder = spawn(unshare, ['--user', '--map-root-user', '--net', 'sh', '-c', hold, 'sh', ip], {
      ...this.#asOwner(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#holder.on('error', () => undefined);
  }

  /** argv before that of a program that is to run in it. Throws once it is gone. */
  enter(): string[] {
    const { pid, exitCode, signalCode } = this.#holder;
    if (pid === undefined || exitCode !== null || signalCode !== null) throw new Error('the private network is gone');
    return [this.#request.tools.nsenter, '-t', String(pid), '-U', '-n', '--preserve-credentials', '--'];
  }

  /** Closes the addresses that the host has got since: call it before something new is started inside. */
  async closeHost(): Promise<void> {
    const { ipv4, ipv6 } = hostPrefixes();
    const metadata = [...metadataPrefixes.ipv4, ...(kernelHasIpv6() ? metadataPrefixes.ipv6 : [])];
    const fresh = [...metadata, ...ipv4, ...ipv6].filter((prefix) => !this.#closed.has(prefix));
    if (fresh.length === 0) return;
    await this.#configure(fresh.map((prefix) => `route replace blackhole ${prefix}`));
    for (const prefix of fresh) this.#closed.add(prefix);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const carrier = this.#carrier;
    (carrier?.stdio[4] as Writable | null | undefined)?.destroy();
    this.#holder.stdin?.destroy();
    await Promise.all([this.#holder, carrier].map(async (child) => await ended(child)));
  }

  async #start(): Promise<void> {
    await ready(this.#holder, this.#holder.stdout, this.#request.signal);
    this.#carrier = this.#carry();
    this.#carrier.on('error', () => undefined);
    this.#carrier.stdio[4]?.on('error', () => undefined);
    await ready(this.#carrier, this.#carrier.stdio[3] as Readable, this.#request.signal);
    // By hand: a router advertisement takes seconds.
    await this.#configure([
      `address replace fd00::100/64 dev ${device} nodad`,
      `route replace default via fe80::2 dev ${device}`,
    ]).catch(() => undefined);
    await this.closeHost();
  }

  #carry(): ChildProcess {
    const { slirp4netns } = this.#request.tools;
    const options = ['--configure', '--mtu=65520', '--disable-host-loopback', '--enable-ipv6'];
    const confined = ['--enable-sandbox', '--enable-seccomp', '--ready-fd=3', '--exit-fd=4'];
    const command = [slirp4netns, ...options, ...confined, String(this.#holder.pid), device];
    const [file = slirp4netns, ...args] = this.#withTun(command);
    const asOwner = this.#request.tools.tun === undefined ? this.#asOwner() : { cwd: '/', env: toolEnv };
    return spawn(file, args, { ...asOwner, stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
  }

  /** Where only root may open /dev/net/tun, slirp4netns is shown a node of ours in its place. */
  #withTun(command: readonly string[]): string[] {
    const { tools, owner } = this.#request;
    if (tools.tun === undefined || owner === undefined) return [...command];
    const script = 'mount --bind "$1" /dev/net/tun && shift && exec "$@"';
    const user = ['--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups', '--no-new-privs'];
    return [
      ...[tools.unshare, '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', tools.tun],
      ...[tools.setpriv, ...user, '--', ...command],
    ];
  }

  async #configure(lines: readonly string[]): Promise<void> {
    const [file = '', ...prefix] = this.enter();
    const run = promisify(execFile)(file, [...prefix, this.#request.tools.ip, '-batch', '-'], {
      ...this.#asOwner(),
      timeout: readyMs,
    });
    run.child.stdin?.end(`${lines.join('\n')}\n`);
    await run;
  }

  #asOwner() {
    const { owner } = this.#request;
    return { cwd: '/', env: toolEnv, ...(owner === undefined ? {} : { uid: owner.uid, gid: owner.gid }) };
  }
}

const toolEnv = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/** Resolves with the first byte of `stream`; rejects with what was said when the process ends before. */
async function ready(child: ChildProcess, stream: Readable | null, signal: AbortSignal): Promise<void> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-1_000)));
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(readyMs)]);
  const first = stream === null ? Promise.reject(new Error('no stream')) : once(stream, 'data', { signal: bounded });
  const over = new AbortController();
  try {
    await Promise.race([
      first,
      once(child, 'close', { signal: over.signal }).then(() => {
        throw new Error(`${child.spawnfile}: ${said.trim() || 'it ended at once'}`);
      }),
    ]);
  } finally {
    over.abort();
    first.catch(() => undefined);
  }
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await once(child, 'exit').finally(() => clearTimeout(timer));
}
