import { protocolVersion, type Registration, type WorkerInfo } from '@ritmo/protocol';
import type { Executor } from '../executor/plugin.js';
import type { StateDir } from '../journal/state-dir.js';
import { version as ownVersion } from '../version.js';
import { hostInfo } from './host-info.js';
import type { CheckedOptions } from './options.js';

/** Registers the worker, with the key that proves its name, and keeps the key. */
export async function register(
  worker: {
    readonly options: CheckedOptions;
    readonly state: StateDir;
    readonly name: string;
    readonly executors: readonly Executor[];
  },
  instanceId: string,
  signal: AbortSignal,
): Promise<Registration> {
  const { options, state, name, executors } = worker;
  const { transport } = options;
  // A server whose address has changed is asked with the key that was given last.
  const server = transport.address ?? transport.name;
  const resumeKey = (await state.resumeKey(server, name)) ?? (await state.resumeKey(transport.name, name));
  const info: WorkerInfo = {
    name,
    instanceId,
    ...(resumeKey !== undefined && { resumeKey }),
    labels: options.labels,
    maxConcurrent: options.maxConcurrent,
    isolation: isolationOffers(executors),
    host: await hostInfo(state.path),
    agentVersion: options.version ?? ownVersion,
    protocol: { min: protocolVersion, max: protocolVersion },
    jobVersions: [1],
  };
  const registration = await transport.register(info, signal);
  for (const at of [server, transport.name]) await state.keepResumeKey(at, name, registration.resumeKey);
  return registration;
}

/** What the executors declare, those left out that `usable` turns down; the first of all is the default. */
export function isolationOffers(
  executors: readonly Executor[],
  usable: (name: string) => boolean = () => true,
): WorkerInfo['isolation'] {
  return executors
    .map(({ name, capabilities }, index) => ({
      name,
      default: index === 0,
      capabilities: {
        ...capabilities,
        network: [...capabilities.network],
        limits: [...capabilities.limits],
        os: [...capabilities.os],
        arch: [...capabilities.arch],
      },
    }))
    .filter(({ name }) => usable(name));
}
