import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import type { MemoryFolder } from '@ritmo/host-linux';
import { describe, expect, it } from 'vitest';
import { judge } from '../src/health.js';
import type { JobHost } from '../src/job/job-host.js';
import { optionsSchema } from '../src/options.js';

const capabilities: ExecutorCapabilities = {
  isolation: 'vm',
  defaultNetwork: 'isolated',
  images: true,
  services: false,
  network: ['isolated', 'none'],
  limits: ['cpu', 'memory', 'pids', 'disk'],
  os: ['linux'],
  arch: ['x64'],
  separateStderr: true,
  recover: false,
};

interface Host {
  readonly template?: boolean;
  readonly accelerator?: 'kvm' | 'tcg';
  readonly facts?: Record<string, string | boolean>;
  readonly limits?: ExecutorCapabilities['limits'];
  readonly mayReachDisk?: boolean;
  readonly warmMachines?: number;
}

function report({
  template = true,
  accelerator = 'kvm',
  facts = {},
  limits,
  mayReachDisk = false,
  warmMachines,
}: Host) {
  const jobs = {
    options: optionsSchema.parse({ warmMachines }),
    accelerator,
    acceleratorWhy: 'no KVM: there is no /dev/kvm',
    templates: { has: () => template },
    images: { cache: { list: () => [] } },
  };
  return judge({
    jobs: jobs as unknown as JobHost,
    memory: { mayReachDisk } as unknown as MemoryFolder,
    capabilities: { ...capabilities, ...(limits === undefined ? {} : { limits }) },
    facts: { qemu: '7.2.0', images: true, ...facts },
    running: 0,
    warm: 0,
  });
}

describe('doctor on virtual machines', () => {
  it('says what a sound host has', () => {
    const { health, detail } = report({});
    expect(detail).toContain('QEMU 7.2.0 with KVM; network isolated, none; limits of cpu, memory, pids, disk.');
    if (process.getuid?.() === 0) expect(health).toBe('healthy');
  });

  it('says what machines that wait take', () => {
    expect(report({}).detail).not.toContain('wait');
    expect(report({ warmMachines: 2 }).detail).toMatch(/Up to 2 machines wait for their job, each with some \d+ MB/);
  });

  it.each<[string, Host, RegExp]>([
    ['a template', { template: false }, /No template yet.*`ritmo-agent vm prepare`/],
    [
      'KVM',
      { accelerator: 'tcg' },
      /emulated, and slow \(no KVM: there is no \/dev\/kvm\): use a host where KVM works/,
    ],
    ['squashfs-tools', { facts: { images: false } }, /apt-get install squashfs-tools/],
    [
      'an isolated network',
      { facts: { noIsolatedNetwork: 'no tun' } },
      /No network `isolated` \(no tun\): apt-get install slirp4netns iproute2 nftables/,
    ],
    ['a control group', { limits: ['memory', 'pids', 'disk'] }, /No limit of cpu: no control group can be written/],
    ['memory that stays in memory', { mayReachDisk: true }, /turn swap off, or run the agent as root/],
  ])('names the remedy for want of %s', (_what, host, remedy) => {
    const { health, detail } = report(host);
    expect(health).toBe('degraded');
    expect(detail).toMatch(remedy);
  });
});
