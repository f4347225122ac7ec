import type { JobDisk } from './job-disk.js';

/** Looks after the disk of a job while a command runs; `onExceeded` is called once, when too much is taken. */
export class DiskWatch {
  readonly #over = new AbortController();
  readonly #watching: Promise<boolean>;

  constructor(disk: JobDisk, onExceeded: () => void) {
    const { signal } = this.#over;
    this.#watching = disk.exceeded(signal).then(
      () => {
        onExceeded();
        return true;
      },
      (error: unknown) => {
        if (signal.aborted) return false;
        throw error;
      },
    );
    this.#watching.catch(() => undefined);
  }

  /** Stops looking; whether too much was taken. Rejects when the disk could not be looked at. */
  end(): Promise<boolean> {
    this.#over.abort('the command has ended');
    return this.#watching;
  }
}
