import { type DiskWatch, watchDisk } from '@ritmo/host-linux';
import type { JobDisk } from './disk.js';
import type { Job } from './job.js';
import { runForJob } from './own-container.js';

const inside = '/counted';

/** Watches over the disk of a job for as long as one of its containers runs a command; remembers across commands. */
export class DiskGuard {
  readonly #job: Job;
  readonly #disk: JobDisk;
  #intervalMs: number | undefined;
  #peakBytes = 0;

  constructor(job: Job, disk: JobDisk) {
    this.#job = job;
    this.#disk = disk;
  }

  /** The most that was counted so far. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Undefined where the job has no limit. */
  watch(container: string, onOver: () => void): AsyncDisposable | undefined {
    const { request, host } = this.#job;
    const limitBytes = request.limits.diskBytes;
    if (limitBytes === undefined) return undefined;
    const layer = () => host.docker.layerBytes(container);
    const watch = watchDisk({
      size: (signal) => this.#disk.watched(layer, (counting) => this.#sizeInside(counting), signal),
      limitBytes,
      clock: host.clock,
      onOver,
      onError: (error) => host.log.warn({ sandboxId: this.#job.id, err: error }, 'a disk could not be counted'),
      ...(this.#intervalMs !== undefined && { intervalMs: this.#intervalMs }),
    });
    return { [Symbol.asyncDispose]: () => this.#close(watch) };
  }

  async #close(watch: DiskWatch): Promise<void> {
    await watch[Symbol.asyncDispose]();
    this.#intervalMs = watch.pauseMs;
    this.#peakBytes = Math.max(this.#peakBytes, watch.peakBytes);
  }

  async #sizeInside(signal: AbortSignal): Promise<number> {
    const { host, folders } = this.#job;
    const { log } = await runForJob(host, {
      argv: ['/usr/bin/du', '-s', '-x', '-B1', inside],
      bind: `${folders.disk}:${inside}:ro`,
      capabilities: ['DAC_READ_SEARCH'],
      labels: this.#job.labels('count'),
      signal,
    });
    const bytes = Number(/^(\d+)\t/m.exec(log)?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(bytes)) throw new Error(`du said: ${log.slice(0, 200)}`);
    return bytes;
  }
}
