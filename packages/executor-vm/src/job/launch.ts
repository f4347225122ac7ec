import { closeSync, openSync } from 'node:fs';
import type { PrepareScope } from '@ritmo/agent-core/executor';
import type { Cgroup, JobNetwork, Owner } from '@ritmo/host-linux';
import type { RootImage } from '../image/root-image.js';
import { openMachine } from '../machine/factory.js';
import type { Machine } from '../machine/machine.js';
import type { Hardware } from '../machine/settings.js';
import { type OpenTemplate, openState } from '../template/templates.js';
import type { JobHost } from './job-host.js';

export interface LaunchSettings {
  readonly host: JobHost;
  /** Names it in the log of the agent. */
  readonly id: string;
  readonly hardware: Hardware;
  readonly image: Pick<RootImage, 'path' | 'format'>;
  /** A descriptor; lent until the machine is there. */
  readonly disk: number;
  readonly user: Owner | undefined;
  readonly group: Cgroup | undefined;
  readonly network: JobNetwork | undefined;
  /** The name server of the network, as a file. */
  readonly resolver: string;
  readonly kvmNode: string | undefined;
  readonly mark: string;
}

export interface Launched {
  readonly machine: Machine;
  readonly restored: boolean;
}

/**
 * Starts a machine: from the template; where no machine comes back from it, as when QEMU was exchanged meanwhile, by
 * booting. Nothing of a job may run in it before it is refreshed.
 */
export async function launch(settings: LaunchSettings, scope: Omit<PrepareScope, 'record'>): Promise<Launched> {
  const { host, id, hardware } = settings;
  const { signal, progress } = scope;
  const template = await host.templates.get(hardware, signal, progress);
  if (template !== undefined) {
    try {
      const machine = await begun(open(settings, template), (opened) => opened.restore(signal));
      return { machine, restored: true };
    } catch (error) {
      signal.throwIfAborted();
      const said = { sandboxId: id, error: String(error) };
      host.log.warn(said, 'No machine comes back from the template; it is removed');
      progress('The template does not serve; booting');
      host.templates.discard(hardware);
    }
  }
  const boot = (opened: Machine) => opened.boot(signal, host.options.bootTimeoutMs);
  return { machine: await begun(open(settings, undefined), boot), restored: false };
}

/** One that does not come up is ended. */
async function begun(machine: Machine, comeUp: (machine: Machine) => Promise<void>): Promise<Machine> {
  try {
    await comeUp(machine);
    return machine;
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

function open(settings: LaunchSettings, template: OpenTemplate | undefined): Machine {
  const { host, hardware, image, disk, user, group, network, kvmNode, mark } = settings;
  const root = openSync(image.path, 'r');
  const opened = [root];
  try {
    const state = template === undefined ? undefined : openState(template);
    if (state !== undefined) opened.push(state);
    return openMachine(host.machines, {
      shape: {
        hardware,
        memory: template === undefined ? 'anonymous' : 'template',
        imageFormat: image.format,
        network: network === undefined ? 'none' : 'isolated',
      },
      files: {
        disk,
        image: root,
        ...(template === undefined || state === undefined ? {} : { memory: template.memory, state }),
      },
      user,
      group,
      enterNetwork: network?.enter(),
      kvmNode,
      resolver: network === undefined ? undefined : settings.resolver,
      mark,
    });
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
