import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** How long one look at the disk counts, in milliseconds, and for how many bytes at most. */
const lookMs = 250;
const lookBytes = 1024 * 1024;

/** Tells whether less is free on the disk of a file than the operator wants to keep free. */
export class DiskFloor {
  readonly #folder: string;
  readonly #minFreeBytes: number;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #reached = false;

  constructor(path: string, minFreeBytes: number) {
    this.#folder = dirname(path);
    this.#minFreeBytes = minFreeBytes;
  }

  /** Asked before `bytes` are written. */
  reached(bytes: number): boolean {
    if (this.#minFreeBytes === 0) return false;
    this.#bytes += bytes;
    const now = performance.now();
    if (now - this.#lookedAt >= lookMs || this.#bytes >= lookBytes) {
      const { bavail, bsize } = statfsSync(this.#folder);
      this.#reached = bavail * bsize < this.#minFreeBytes;
      this.#lookedAt = now;
      this.#bytes = 0;
    }
    return this.#reached;
  }
}
