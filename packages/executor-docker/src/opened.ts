import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';
import type { Daemon } from './docker/address.js';
import type { ResolvedOptions } from './options.js';
import type { Way } from './way/way.js';

/** A way that was tried, and what it offers here. */
export interface OpenedWay {
  readonly way: Way;
  readonly capabilities: ExecutorCapabilities;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** What is weaker here than it could be, each with what mends it. */
  readonly warnings: readonly string[];
}

export interface Offered {
  readonly bridges: boolean;
  readonly disk: boolean;
  readonly recover: boolean;
}

export function capabilitiesOf(
  { info }: Daemon,
  options: ResolvedOptions,
  { bridges, disk, recover }: Offered,
): ExecutorCapabilities {
  const arch = info.architecture === 'amd64' || info.architecture === 'x86_64' ? 'x64' : 'arm64';
  return {
    isolation: 'container',
    defaultNetwork: bridges ? 'isolated' : 'none',
    images: true,
    services: bridges,
    network: [
      ...(bridges ? (['isolated'] as const) : []),
      'none',
      ...(options.allowHostNetwork ? (['host'] as const) : []),
    ],
    limits: ['cpu', 'memory', 'pids', ...(disk ? (['disk'] as const) : [])],
    os: ['linux'],
    arch: [arch],
    separateStderr: true,
    recover,
  };
}

/** What was found of the daemon, for people: `ritmo-agent doctor` shows it. */
export function factsOf({ address, info, refused }: Daemon): Record<string, string | number | boolean> {
  return {
    address,
    ...(refused.length > 0 && { refused: refused.join(', ') }),
    engine: info.engine,
    version: info.version,
    apiVersion: info.apiVersion,
    storageDriver: info.storageDriver,
    cgroupVersion: info.cgroupVersion,
    rootless: info.rootless,
  };
}
