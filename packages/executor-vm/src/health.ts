import type { ExecutorCapabilities, ProbeReport } from '@ritmo/agent-core/executor';
import type { MemoryFolder } from '@ritmo/host-linux';
import { machineMemoryMiB } from './machine/settings.js';
import { isRoot, type JobHost } from './job/job-host.js';

export interface HealthSettings {
  readonly jobs: JobHost;
  readonly memory: MemoryFolder;
  readonly capabilities: ExecutorCapabilities;
  readonly facts: ProbeReport['facts'];
  readonly running: number;
  /** Machines that wait for their job. */
  readonly warm: number;
}

/** Private to one that waits, in megabytes, measured (bench/results/vm.md); what is emulated has its translated code too. */
const waitingMB = { kvm: 20, tcg: 40 } as const;

/** What this host gives builds, and for each thing that it does not, what an operator can do. */
export function judge({ jobs, memory, capabilities, facts, running, warm }: HealthSettings): ProbeReport {
  const { options, accelerator, templates } = jobs;
  const hardware = { memoryMiB: machineMemoryMiB(options.memoryBytes), cpus: options.cpus, accelerator };
  const template = templates.has(hardware);
  const missing = [
    ...(template
      ? []
      : ['No template yet, so the first job boots for some seconds: `ritmo-agent vm prepare` makes it.']),
    ...(accelerator === 'kvm' || options.accelerator === 'tcg'
      ? []
      : [
          `Machines are emulated, and slow (${jobs.acceleratorWhy}): use a host where KVM works, or nested virtualisation.`,
        ]),
    ...(facts['images'] === true ? [] : ['No images but disks: apt-get install squashfs-tools.']),
    ...(facts['noIsolatedNetwork'] === undefined
      ? []
      : [
          `No network \`isolated\` (${String(facts['noIsolatedNetwork']).split('\n')[0]}): apt-get install slirp4netns iproute2 nftables, and open /dev/net/tun.`,
        ]),
    ...(capabilities.limits.includes('cpu') ? [] : ['No limit of cpu: no control group can be written.']),
    ...(isRoot() ? [] : ["All machines run as the agent's own user: run the agent as root to give each its own."]),
    ...(memory.mayReachDisk ? ['Secrets of tools may reach a disk: turn swap off, or run the agent as root.'] : []),
  ];
  const how = accelerator === 'kvm' ? 'KVM' : 'software emulation';
  const sound = `QEMU ${String(facts['qemu'])} with ${how}; network ${capabilities.network.join(', ')}; limits of ${capabilities.limits.join(', ')}.`;
  const waiting =
    options.warmMachines === 0
      ? []
      : [
          `Up to ${options.warmMachines} machines wait for their job, each with some ${waitingMB[accelerator]} MB of memory.`,
        ];
  return {
    health: missing.length === 0 ? 'healthy' : 'degraded',
    detail: [sound, ...waiting, ...missing].join(' '),
    facts: {
      ...facts,
      template,
      cachedImages: jobs.images.cache.list().length,
      networks: capabilities.network.join(','),
      jobs: running,
      warmMachines: warm,
    },
  };
}
