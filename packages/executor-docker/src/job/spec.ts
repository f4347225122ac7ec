import type { SandboxRequest } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';
import type { ContainerSpec, HostSpec } from '../docker/client.js';
import type { ResolvedOptions } from '../options.js';
import { insidePaths } from '../supervisor/script.js';
import type { JobFolders } from './folders.js';

const capabilitiesTaken = ['NET_RAW', 'MKNOD'];

/** Where a container stands. */
export interface Place {
  /** By the daemon's name. */
  readonly network: string;
  /** Addresses of services by name, where the engine does not make their names known in a way that reaches containers. */
  readonly hosts?: Readonly<Record<string, string>>;
}

export interface JobSpecParts {
  readonly image: string;
  readonly request: SandboxRequest;
  readonly labels: Record<string, string>;
  readonly folders: JobFolders;
  readonly options: ResolvedOptions;
  readonly place: Place;
}

/** The container of a job. What it may do is the image's user's business, less what no build needs. */
export function jobSpec({ image, request, labels, folders, options, place }: JobSpecParts): ContainerSpec {
  const hardened = request.profile === 'hardened';
  const tmpBytes = request.limits.tmpBytes ?? (hardened ? options.hardenedTmpBytes : undefined);
  return {
    Image: image,
    Hostname: 'build',
    WorkingDir: insidePaths.workspace,
    Labels: labels,
    HostConfig: {
      ...limits(request.limits, options.defaultPids),
      ...confinement(hardened),
      ...(hardened ? { ReadonlyRootfs: true } : {}),
      ...standing(place),
      Binds: [
        `${folders.workspace}:${insidePaths.workspace}`,
        `${folders.home}:${insidePaths.home}`,
        ...options.binds.map(
          ({ source, target = source, access }) => `${source}:${target}:${access === 'read-only' ? 'ro' : 'rw'}`,
        ),
      ],
      ...(tmpBytes === undefined ? {} : { Tmpfs: { '/tmp': `size=${tmpBytes},mode=1777,exec,nosuid,nodev` } }),
    },
  };
}

/** A container that shows programs of the host, for filling a workspace; it can do nothing but that. */
export function toolSpec(parts: Omit<JobSpecParts, 'options'> & { readonly binds: readonly string[] }): ContainerSpec {
  const { image, request, labels, folders, place, binds } = parts;
  return {
    Image: image,
    Hostname: 'build',
    WorkingDir: insidePaths.workspace,
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    Labels: labels,
    HostConfig: {
      ...limits(request.limits, 1024),
      ...confinement(true),
      ReadonlyRootfs: true,
      ...standing(place),
      Binds: [`${folders.workspace}:${insidePaths.workspace}`, `${folders.home}:${insidePaths.home}`, ...binds],
      Tmpfs: { '/tmp': 'mode=1777,nosuid,nodev' },
    },
  };
}

export function standing({ network, hosts }: Place): HostSpec {
  const extra = Object.entries(hosts ?? {}).map(([name, address]) => `${name}:${address}`);
  return { NetworkMode: network, ...(extra.length > 0 && { ExtraHosts: extra }) };
}

export function confinement(dropAll: boolean): HostSpec {
  return {
    CapDrop: dropAll ? ['ALL'] : capabilitiesTaken,
    SecurityOpt: ['no-new-privileges'],
    Privileged: false,
    IpcMode: 'private',
    RestartPolicy: { Name: 'no' },
  };
}

/** Memory is without swap; pids are always bounded. */
export function limits(asked: SandboxRequest['limits'], defaultPids: number): HostSpec {
  const { cpus, memoryBytes, pids, shmBytes } = asked;
  return {
    PidsLimit: pids ?? defaultPids,
    ...(cpus === undefined ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
    ...(shmBytes === undefined ? {} : { ShmSize: shmBytes }),
  };
}

/** passwd and group that name the user of a tool: ssh asks for them. */
export function userFiles({ uid, gid }: Owner): { passwd: string; group: string } {
  const root = uid === 0 ? '' : 'root:x:0:0:root:/:/bin/false\n';
  return {
    passwd: `${root}build:x:${uid}:${gid}:build:${insidePaths.home}:/bin/sh\n`,
    group: `${gid === 0 ? '' : 'root:x:0:\n'}build:x:${gid}:\n`,
  };
}
