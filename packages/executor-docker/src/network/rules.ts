import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { asksForNames, findProgram, metadataPrefixes, nameServers, unlessErrno } from '@ritmo/host-linux';

const nft = () => findProgram('nft', `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`);

const closed = { ip: set(metadataPrefixes.ipv4), ip6: set(['fe80::/10', ...metadataPrefixes.ipv6]) };

/**
 * The firewall of one installation: what comes from its bridges does not reach the host, link-local addresses or the
 * metadata of clouds, and on its shared bridge no port reaches another. One table, replaced as a whole, so that setting it
 * twice is harmless.
 */
export class BridgeRules {
  readonly #mark: string;
  readonly #names: readonly string[];

  /**
   * `mark` is the installation's; its bridges are named `rtm${mark}…`. `names` are the name servers of the host: on some
   * clouds they have an address that is closed, and are reached for their answers alone.
   */
  constructor(mark: string, names: readonly string[] = nameServers()) {
    this.#mark = mark;
    this.#names = names;
  }

  get sharedBridge(): string {
    return `rtm${this.#mark}s`;
  }

  jobBridge(number: number): string {
    return `rtm${this.#mark}${number.toString(36)}`;
  }

  /** Rejects where no rule can be set: then `isolated` cannot be kept. */
  async set(): Promise<void> {
    await run(`
table inet ritmo_${this.#mark} {}
delete table inet ritmo_${this.#mark}
table inet ritmo_${this.#mark} {
  chain input {
    type filter hook input priority -5; policy accept;
    iifname "rtm${this.#mark}*" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname "rtm${this.#mark}*" ct state established,related accept
    iifname "rtm${this.#mark}*" reject
  }
  chain forward {
    type filter hook forward priority -5; policy accept;
    iifname "${this.sharedBridge}" oifname "${this.sharedBridge}" drop
${this.#names.map((address) => `    iifname "rtm${this.#mark}*" ${asksForNames(address)} accept`).join('\n')}
    iifname "rtm${this.#mark}*" ip daddr ${closed.ip} reject
    iifname "rtm${this.#mark}*" ip6 daddr ${closed.ip6} reject
  }
}
`);
    // Frames that a bridge carries are seen above only where it hands them to the IP rules.
    if (!bridgesAskIpRules()) {
      await run(`
table bridge ritmo_${this.#mark} {}
delete table bridge ritmo_${this.#mark}
table bridge ritmo_${this.#mark} {
  chain forward {
    type filter hook forward priority -5; policy accept;
    meta ibrname "${this.sharedBridge}" drop
  }
}
`);
    }
  }

  async remove(): Promise<void> {
    const families = bridgesAskIpRules() ? ['inet'] : ['inet', 'bridge'];
    const table = `ritmo_${this.#mark}`;
    await run(families.map((family) => `table ${family} ${table} {}\ndelete table ${family} ${table}\n`).join(''));
  }
}

function set(prefixes: readonly string[]): string {
  return `{ ${prefixes.join(', ')} }`;
}

/** Whether br_netfilter is at work, as the daemon turns it on. */
function bridgesAskIpRules(): boolean {
  return ['iptables', 'ip6tables'].every((name) => {
    const path = `/proc/sys/net/bridge/bridge-nf-call-${name}`;
    return unlessErrno(['ENOENT'], () => readFileSync(path, 'utf8'))?.trim() === '1';
  });
}

async function run(rules: string): Promise<void> {
  const program = nft();
  if (program === undefined) throw new Error('nft is not installed');
  await new Promise<void>((resolve, reject) => {
    const child = execFile(program, ['-f', '-'], { timeout: 10_000 }, (error, _, stderr) => {
      if (error === null) resolve();
      else reject(new Error(stderr.trim().split('\n')[0] ?? error.message, { cause: error }));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(rules);
  });
}
