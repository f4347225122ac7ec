import { join } from 'node:path';
import type { Clock, ResourceLimits } from '@ritmo/agent-core/executor';
import { isNearlyFull, mount, mountLoopVolume, type Owner, unmountBelow, usedSpace } from '@ritmo/host-linux';
import type { JobFolders } from '../job/folders.js';

/** `loop`: a file system of that size, mounted; `watch`: what is there is counted again and again. */
export type DiskKind = 'loop' | 'watch';

const watchMs = 1_000;
/** Counting takes at most this part of the time. */
const watchShare = 0.1;

export interface JobDiskSettings {
  readonly kind: DiskKind;
  readonly folders: JobFolders;
  readonly limits: Pick<ResourceLimits, 'diskBytes' | 'tmpBytes'>;
  readonly clock: Clock;
}

/** What a job may write and has written: its workspace, HOME and /tmp together. */
export class JobDisk {
  readonly #settings: JobDiskSettings;
  readonly #mounted: boolean;

  constructor(settings: JobDiskSettings) {
    this.#settings = settings;
    this.#mounted = settings.kind === 'loop' && settings.limits.diskBytes !== undefined;
  }

  /** Makes the file system, before the folders of the job; rejects with the words of the system's tools. */
  async open(): Promise<void> {
    const { limits, folders } = this.#settings;
    if (!this.#mounted || limits.diskBytes === undefined || folders.disk === undefined) return;
    await mountLoopVolume({ image: join(folders.root, 'disk.img'), path: folders.disk, bytes: limits.diskBytes });
  }

  /** Gives /tmp its own size, once its folder is there. */
  async openTmp({ uid, gid }: Owner): Promise<void> {
    const { kind, limits, folders } = this.#settings;
    if (kind !== 'loop' || limits.tmpBytes === undefined) return;
    const options = `size=${limits.tmpBytes},mode=0700,uid=${uid},gid=${gid},nosuid,nodev`;
    await mount(['-t', 'tmpfs', '-o', options, 'ritmo', folders.tmp]);
  }

  /** Resolves once more is taken than allowed, where that must be watched for; rejects when aborted. */
  async exceeded(signal: AbortSignal): Promise<void> {
    const { kind, clock } = this.#settings;
    const budgets = kind === 'watch' ? this.#budgets() : [];
    for (let pause = watchMs; ; ) {
      if (budgets.length === 0) await new Promise((_, reject) => signal.addEventListener('abort', reject));
      await clock.sleep(pause, signal);
      const since = clock.monotonic();
      for (const { folders, bytes } of budgets) if ((await usedSpace(folders, signal, bytes)) > bytes) return;
      pause = Math.max(watchMs, (clock.monotonic() - since) / watchShare);
    }
  }

  /** Whether a file system of the job is full. */
  full(): boolean {
    const { kind, limits, folders } = this.#settings;
    if (kind !== 'loop') return false;
    const places = [...(this.#mounted ? [folders.disk] : []), ...(limits.tmpBytes === undefined ? [] : [folders.tmp])];
    return places.some((place) => place !== undefined && isNearlyFull(place));
  }

  async used(signal: AbortSignal): Promise<number> {
    const { folders } = this.#settings;
    return await usedSpace(writable(folders), signal);
  }

  /** Takes away everything that is mounted for the job. */
  async close(): Promise<void> {
    await unmountBelow(this.#settings.folders.root);
  }

  #budgets(): ReadonlyArray<{ readonly folders: readonly string[]; readonly bytes: number }> {
    const { folders, limits } = this.#settings;
    return [
      ...(limits.diskBytes === undefined ? [] : [{ folders: writable(folders), bytes: limits.diskBytes }]),
      ...(limits.tmpBytes === undefined ? [] : [{ folders: [folders.tmp], bytes: limits.tmpBytes }]),
    ];
  }
}

const writable = ({ workspace, home, tmp }: JobFolders) => [workspace, home, tmp];
