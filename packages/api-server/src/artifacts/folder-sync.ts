import { syncFolder } from '../logs/open-log.js';

/** Brings names in folders to the disk; calls that come while one is at it share the next. */
export class FolderSync {
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();
  readonly #sync: (folder: string) => Promise<void>;

  constructor(sync: (folder: string) => Promise<void> = syncFolder) {
    this.#sync = sync;
  }

  /** Settles once what was in the folder when it was called is there after a power loss too. */
  sync(folder: string): Promise<void> {
    const next = this.#next.get(folder);
    if (next) return next;
    const running = this.#running.get(folder);
    if (!running) return this.#run(folder);
    const begin = () => {
      this.#next.delete(folder);
      return this.#run(folder);
    };
    const following = running.then(begin, begin);
    this.#next.set(folder, following);
    return following;
  }

  #run(folder: string): Promise<void> {
    const run = this.#sync(folder);
    this.#running.set(folder, run);
    const forget = () => {
      if (this.#running.get(folder) === run) this.#running.delete(folder);
    };
    run.then(forget, forget);
    return run;
  }
}
