import { formatSize } from '@ritmo/protocol';
import { freemem, totalmem } from 'node:os';
import { RitmoError } from '../errors.js';
import type { ResourceLimits } from '../executor/request.js';
import { type DiskSpace, roundSize } from './host-stats.js';

/** What there is to give. */
export interface HostRoom {
  readonly cpus: number;
  readonly memory: () => { readonly totalBytes: number; readonly freeBytes: number };
  readonly disk: () => DiskSpace | undefined;
  /** Kept free for the agent itself. */
  readonly minFreeDiskBytes: number;
}

/** Memory of this machine, as far as this process may use it. */
export function hostMemory(): { readonly totalBytes: number; readonly freeBytes: number } {
  const bound = process.constrainedMemory();
  const totalBytes = bound > 0 && bound < totalmem() ? bound : totalmem();
  return { totalBytes, freeBytes: Math.min(totalBytes, freemem()) };
}

/**
 * What running builds were promised. Memory and disk are promised once; CPUs are shared, so that only a job that wants
 * more than there are is turned away.
 */
export class Room {
  readonly #host: HostRoom;
  readonly #promised = new Set<ResourceLimits>();

  constructor(host: HostRoom) {
    this.#host = host;
  }

  /**
   * Promises the limits to a build until disposed.
   * @throws RITMO_NO_ROOM
   */
  take(limits: ResourceLimits): Disposable {
    const { cpus, memory, disk, minFreeDiskBytes } = this.#host;
    if (limits.cpus !== undefined && limits.cpus > cpus) refuse(`${limits.cpus} CPUs`, `there are ${cpus}`);
    const { totalBytes, freeBytes } = memory();
    this.#check('memory', limits.memoryBytes, 'memoryBytes', totalBytes, freeBytes);
    const space = disk();
    if (space) {
      const usable = (bytes: number) => Math.max(0, bytes - minFreeDiskBytes);
      this.#check('disk', limits.diskBytes, 'diskBytes', usable(space.totalBytes), usable(space.freeBytes));
    }
    return this.promise(limits);
  }

  /** Promises them whatever is left: to a build that has them already. */
  promise(limits: ResourceLimits): Disposable {
    this.#promised.add(limits);
    return { [Symbol.dispose]: () => void this.#promised.delete(limits) };
  }

  #check(
    what: string,
    asked: number | undefined,
    key: 'memoryBytes' | 'diskBytes',
    totalBytes: number,
    freeBytes: number,
  ): void {
    if (asked === undefined) return;
    let promised = 0;
    for (const limits of this.#promised) promised += limits[key] ?? 0;
    const left = Math.max(0, Math.min(freeBytes, totalBytes - promised));
    if (asked > left) refuse(`${formatSize(asked)} of ${what}`, `${roundSize(left)} are left`);
  }
}

function refuse(asked: string, left: string): never {
  throw new RitmoError('RITMO_NO_ROOM', `The job asks for ${asked}; of this worker ${left}.`);
}
