import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Cgroup,
  type JobNetwork,
  type Owner,
  privateNameServer,
  removeGroup,
  removeTree,
} from '@ritmo/host-linux';
import type { RootImage } from '../image/root-image.js';
import { openDisk } from '../job/disk.js';
import { isRoot, type JobHost, markOf } from '../job/job-host.js';
import { makeKvmNode } from '../job/kvm-node.js';
import { launch } from '../job/launch.js';
import { machineGroup } from '../job/machine-group.js';
import { openNetwork } from '../job/network.js';
import type { Machine } from '../machine/machine.js';
import type { Hardware } from '../machine/settings.js';

/** What a job must agree in with a machine that is to be its own. */
export interface WarmShape {
  readonly hardware: Hardware;
  readonly image: Pick<RootImage, 'path' | 'format' | 'fileSystem'>;
  readonly network: 'none' | 'isolated';
  /** Time that QEMU may take; unbounded where absent. */
  readonly cpus: number | undefined;
}

/** What a job gets of it, and has to clean up from then on. */
export interface HandedOut {
  readonly id: string;
  readonly machine: Machine;
  readonly restored: boolean;
  readonly user: Owner | undefined;
  readonly group: Cgroup | undefined;
  readonly network: JobNetwork | undefined;
}

const emptyBytes = 1024 * 1024;
/** From here on in the pool of users: slots of jobs begin at its start. */
const firstSlot = 900;

/** A machine that waits for its job: it has its user, its limits and its network, and no byte of anything. */
export class WarmMachine implements AsyncDisposable {
  readonly id = `warm-${randomUUID()}`;
  readonly shape: WarmShape;
  readonly #host: JobHost;
  readonly #folder: string;
  #user: Owner | undefined;
  #group: Cgroup | undefined;
  #network: JobNetwork | undefined;
  #machine: Machine | undefined;
  #restored = false;

  constructor(host: JobHost, sandboxes: string, shape: WarmShape) {
    this.#host = host;
    this.shape = shape;
    this.#folder = join(sandboxes, this.id);
  }

  /** Resolves when the machine answers; what it has made is cleaned up by `dispose` in any case. */
  async start(signal: AbortSignal): Promise<void> {
    const { shape } = this;
    const host = this.#host;
    mkdirSync(this.#folder, { mode: 0o711 });
    chmodSync(this.#folder, 0o711);
    if (isRoot()) this.#user = await host.users.take(firstSlot);
    if (shape.network === 'isolated') this.#network = await openNetwork(host, this.#user, signal);
    const resolver = join(this.#folder, 'resolv.conf');
    writeFileSync(resolver, `nameserver ${privateNameServer}\n`, { mode: 0o644 });
    this.#group = machineGroup(host, this.id, shape.hardware, shape.cpus);
    const kvm = shape.hardware.accelerator === 'kvm';
    const kvmNode = kvm ? await makeKvmNode(join(this.#folder, 'kvm'), this.#user) : undefined;
    const disk = openDisk(this.#disk, emptyBytes, this.#user);
    try {
      const launched = await launch(
        {
          ...{ host, id: this.id, hardware: shape.hardware, image: shape.image, disk, resolver, kvmNode },
          ...{ user: this.#user, group: this.#group, network: this.#network, mark: markOf(host.ownerId, this.id) },
        },
        { signal, progress: () => undefined },
      );
      this.#machine = launched.machine;
      this.#restored = launched.restored;
      if (!kvm) await launched.machine.rehearse(shape.image, host.clock, signal);
    } finally {
      closeSync(disk);
    }
  }

  /** Resolves when nothing runs of it any more. */
  get gone(): Promise<void> {
    return this.#machine?.gone ?? Promise.resolve();
  }

  /** Puts its disk to where the job has it. From now on all of it is the job's. */
  async handOut(disk: string): Promise<HandedOut> {
    const machine = this.#machine;
    if (machine === undefined) throw new Error(`${this.id} has not started`);
    renameSync(this.#disk, disk);
    await removeTree(this.#folder);
    const [user, group, network] = [this.#user, this.#group, this.#network];
    return { id: this.id, machine, restored: this.#restored, user, group, network };
  }

  /** Ends one that no job got. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
    if (this.#group !== undefined) await removeGroup(this.#group);
    await this.#network?.[Symbol.asyncDispose]();
    await removeTree(this.#folder);
    if (this.#user !== undefined) this.#host.users.giveBack(this.#user);
  }

  get #disk(): string {
    return join(this.#folder, 'disk');
  }
}
