import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Sandbox } from '@ritmo/agent-core/executor';
import { findByUser, findNetworkTools } from '@ritmo/host-linux';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressesOfHost, HostService, ip, Outside, outsideMs } from '../../../tests/support/host-network.js';
import { sh, Workbench } from './support/bench.js';

const root = process.getuid?.() === 0;

/** Tries every address, over TCP and UDP, all at once, and says which TCP connections came about. */
const knock = `
for a in $1; do
  (
    timeout 5 bash -c "exec 3<>/dev/tcp/$a/$2 && echo tcp-$4 >&3" 2>/dev/null && echo "open $a"
    timeout 5 bash -c "echo udp-$4-$a > /dev/udp/$a/$3" 2>/dev/null
  ) &
done
wait`;

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return 'ended';
  }
}

describe.runIf(root)('with network isolated', () => {
  let service: HostService;
  let outside: Outside;
  let bench: Workbench;
  let sandbox: Sandbox;

  beforeAll(async () => {
    outside = await new Outside().open();
  }, outsideMs);
  beforeAll(async () => {
    service = await new HostService().open();
    bench = await Workbench.open();
    sandbox = await bench.sandbox({ network: 'isolated' });
  });

  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await outside[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  it('is declared, and what a job gets that asks for nothing', () => {
    expect(bench.executor.capabilities).toMatchObject({ defaultNetwork: 'isolated', network: ['isolated', 'none'] });
  });

  it('nothing of the host answers: no address of it, over TCP and UDP, IPv4 and IPv6', async () => {
    const { tcpPort, udpPort } = service;
    const own = addressesOfHost();
    const control = spawnSync('sh', ['-c', knock, 'sh', own.join(' '), String(tcpPort), String(udpPort), 'control'], {
      encoding: 'utf8',
    });
    // Others may take interfaces up and down meanwhile.
    const answered = [...control.stdout.matchAll(/^open (.*)$/gm)].map(([, address]) => address ?? '');
    expect(answered).toEqual(expect.arrayContaining(['127.0.0.1', '::1', ...outside.hostAddresses]));
    await Promise.all(outside.hostAddresses.map((address) => service.hears(`udp-control-${address}`)));

    // In there a link-local address means the cable of the job; slirp4netns stands for some, too.
    const inside = own.map((address) => address.replace(/%.*/, '%tap0'));
    const gateways = ['10.0.2.2', '10.0.2.3', 'fd00::2', 'fd00::3', 'fe80::2%tap0', '127.0.0.2', '0.0.0.0'];
    const all = [...inside, ...gateways, '169.254.169.254'];
    const { stdout } = await sh(sandbox, knock, [all.join(' '), String(tcpPort), String(udpPort), 'job']);
    expect(stdout).toBe('');
    expect(service.heard.filter((text) => text.includes('job'))).toEqual([]);
  });

  it('the outside answers, over IPv4 and IPv6', async () => {
    for (const address of outside.addresses) {
      const { stdout } = await sh(sandbox, 'timeout 20 bash -c "cat < /dev/tcp/$1/$2"', [
        address,
        String(outside.port),
      ]);
      expect(stdout, address).toBe('from outside');
    }
  });

  it('the metadata of clouds is closed, over IPv4 and IPv6, also where the host has a way to it', async () => {
    const metadata = ['169.254.169.254', '100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'];
    for (const address of metadata) outside.answerAt(address);
    const args = [[...metadata, ...outside.addresses].join(' '), String(outside.port), '9', 'metadata'];
    const opened = (text: string) => new Set([...text.matchAll(/^open (.*)$/gm)].map(([, address]) => address));
    const control = spawnSync('sh', ['-c', knock, 'sh', ...args], { encoding: 'utf8' });
    expect(opened(control.stdout)).toEqual(new Set([...metadata, ...outside.addresses]));
    expect(opened((await sh(sandbox, knock, args)).stdout)).toEqual(new Set(outside.addresses));
  });

  it('what is behind a bridge of the host is closed, over IPv4 and IPv6: other builds may live there', async () => {
    await using behind = await new Outside('bridged').open();
    await using closed = await bench.sandbox({ network: 'isolated' });
    const args = [behind.addresses.join(' '), String(behind.port), '9', 'behind'];
    const control = spawnSync('sh', ['-c', knock, 'sh', ...args], { encoding: 'utf8' });
    for (const address of behind.addresses) expect(control.stdout).toContain(`open ${address}\n`);
    expect((await sh(closed, knock, args)).stdout).toBe('');
  });

  it('an address that the host gets later is closed, for a step that runs already too', async () => {
    const fresh = '198.51.100.77';
    const { tcpPort, udpPort } = service;
    ip(`address add ${fresh}/24 dev ${outside.name}h`);
    const args = [fresh, String(tcpPort), String(udpPort), 'late'];
    expect((await sh(sandbox, knock, args)).stdout).toBe('');
    expect(service.heard.filter((text) => text.includes('late'))).toEqual([]);
    expect(spawnSync('sh', ['-c', knock, 'sh', ...args], { encoding: 'utf8' }).stdout).toBe(`open ${fresh}\n`);
  });

  it('the build can undo none of it', async () => {
    const undo = [
      'ip route flush table all',
      'ip route del blackhole 198.51.100.1',
      'ip link set tap0 down',
      'unshare --user --map-root-user true',
      'nsenter -t 1 -n true',
    ];
    for (const attempt of undo) {
      const { exit } = await sh(sandbox, `PATH=$PATH:/usr/sbin:/sbin; ${attempt}`);
      expect(exit.status === 'exited' && exit.code !== 0, attempt).toBe(true);
    }
    const { stdout } = await sh(sandbox, 'id -u; grep CapEff /proc/self/status; cat /etc/resolv.conf');
    expect(stdout).toMatch(/^\d{5}\nCapEff:\s+0+\nnameserver 10\.0\.2\.3\n$/);
  });

  it('a tool that checks out has the network of its job', async () => {
    for (const [network, expected] of [
      ['isolated', 'from outside'],
      ['none', ''],
    ] as const) {
      const { volume } = await bench.volume({ network });
      let printed = '';
      await volume.runTool(
        { argv: ['bash', '-c', `timeout 20 cat < /dev/tcp/${outside.addresses[0]}/${outside.port}; true`], env: {} },
        {
          signal: new AbortController().signal,
          stop: { signal: 'SIGTERM', graceMs: 0 },
          output: {
            write: (stream, bytes) => void (printed += stream === 'stdout' ? Buffer.from(bytes).toString() : ''),
          },
        },
      );
      expect(printed, network).toBe(expected);
      await volume[Symbol.asyncDispose]();
    }
  });

  it('two builds do not reach each other', async () => {
    await using other = await bench.sandbox({ network: 'isolated' });
    const serve =
      'perl -MIO::Socket::INET -e \'$s = IO::Socket::INET->new(Listen => 5, LocalPort => 4711, LocalAddr => "0.0.0.0") or die; print "up\\n"; $| = 1; $c = $s->accept; print "visited\\n"\'';
    const abort = new AbortController();
    let printed = '';
    let up = () => undefined as void;
    const ready = new Promise<void>((resolve) => (up = resolve));
    const run = other.run(
      { id: 'serve', argv: ['sh', '-c', `echo begin; ${serve}`], env: {} },
      {
        signal: abort.signal,
        stop: { signal: 'SIGTERM', graceMs: 0 },
        output: {
          write: (_, bytes) => {
            printed += Buffer.from(bytes).toString();
            up();
          },
        },
      },
    );
    await ready;
    const { stdout } = await sh(sandbox, knock, ['10.0.2.100 127.0.0.1 fd00::100', '4711', '4711', 'neighbour']);
    expect(stdout).toBe('');
    abort.abort({ reason: 'user' });
    await run;
    expect(printed).not.toContain('visited');
  });

  it('leaves no process, rule or namespace when the executor closes', async () => {
    // Users that no other test has.
    const other = await Workbench.open({ uidBase: 91_000 });
    const { uid } = await other.sandbox({ network: 'isolated' });
    const ruled = () => execFileSync('nft', ['list', 'ruleset'], { encoding: 'utf8' }).includes(String(uid));
    const running = () => findByUser(uid).map(({ pid }) => commandOf(pid));
    expect(running().join()).toContain('slirp4netns');
    const guarded = ruled();
    const { facts } = await other.executor.probe(new AbortController().signal);
    expect(facts['hostClosedBy']).toBe(guarded ? 'routes and packet filter' : 'routes');
    await other[Symbol.asyncDispose]();
    expect(running()).toEqual([]);
    expect(ruled()).toBe(false);
  });
});

describe('where a private network cannot be made', () => {
  it('is not declared, but refused, and the programs that are missing are named', async () => {
    expect(findNetworkTools('/nowhere')).toEqual({ missing: ['unshare', 'nsenter', 'setpriv', 'ip', 'slirp4netns'] });
    await using bare = await Workbench.open({ level: 'bare' });
    await expect(bare.volume({ network: 'isolated' })).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNSUPPORTED' });
  });
});

describe.runIf(root)('with network host', () => {
  it('a job reaches services of the host, also as a user whose last job was isolated', async () => {
    await using service = await new HostService().open();
    await using bench = await Workbench.open({ allowHostNetwork: true });
    const isolated = await bench.sandbox({ network: 'isolated', slot: 0 });
    await isolated[Symbol.asyncDispose]();
    const sandbox = await bench.sandbox({ network: 'host', slot: 0 });
    const { stdout } = await sh(sandbox, knock, [
      '127.0.0.1 ::1',
      String(service.tcpPort),
      String(service.udpPort),
      'job',
    ]);
    expect(stdout.trim().split('\n').toSorted()).toEqual(['open 127.0.0.1', 'open ::1']);
  });
});
