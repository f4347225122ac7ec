/** Wakes those who wait for a change of a job: a new attempt, or the end of one. */
export class JobWatch {
  readonly #waiting = new Map<string, Set<() => void>>();

  notify(jobId: string): void {
    for (const done of [...(this.#waiting.get(jobId) ?? [])]) done();
  }

  /** Resolves at the next change, or when `signal` is aborted. */
  changed(jobId: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const waiting = this.#waiting.get(jobId) ?? new Set();
      const done = () => {
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(jobId);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.set(jobId, waiting.add(done));
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
