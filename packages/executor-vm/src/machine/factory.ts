import { dirname } from 'node:path';
import type { Cgroup, Owner } from '@ritmo/host-linux';
import type { BootFiles } from '../template/boot-files.js';
import { markUsed } from '../unused.js';
import { Machine } from './machine.js';
import type { MachineShape } from './settings.js';
import type { MachineFiles, MachineTools } from './start.js';

/** What all machines of a host have in common. */
export interface MachineHost {
  readonly tools: MachineTools;
  readonly boot: BootFiles;
  /** What tells one QEMU from another. */
  readonly qemuIdentity: string;
}

/** What one machine has of its own. */
export interface MachineRequest {
  readonly shape: MachineShape;
  readonly files: MachineFiles;
  readonly user: Owner | undefined;
  readonly group?: Cgroup | undefined;
  readonly enterNetwork?: readonly string[] | undefined;
  readonly kvmNode?: string | undefined;
  readonly resolver?: string | undefined;
  /** A file that the machine may write its state to: it is to become a template. */
  readonly saveTo?: string;
  readonly mark: string;
}

/** Starts QEMU; what comes next is to boot or to restore it. */
export function openMachine({ tools, boot }: MachineHost, request: MachineRequest): Machine {
  markUsed(dirname(boot.kernel));
  return new Machine({
    tools,
    kernel: boot.kernel,
    initramfs: boot.initramfs,
    shape: request.shape,
    files: request.files,
    user: request.user,
    group: request.group,
    enterNetwork: request.enterNetwork,
    kvmNode: request.kvmNode,
    resolver: request.resolver,
    saveTo: request.saveTo,
    mark: request.mark,
  });
}
