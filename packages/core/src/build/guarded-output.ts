import type { CancelCause } from '../executor/request.js';
import type { OutputWriter } from '../executor/sandbox.js';

/** Output of a step whose log may refuse it: then the step is to be stopped, since nobody will see what it prints. */
export class GuardedOutput implements OutputWriter {
  readonly #output: OutputWriter;
  readonly #refused = new AbortController();
  #error: unknown;

  constructor(output: OutputWriter) {
    this.#output = output;
  }

  /** Aborted with the cause of a stop once output was refused. */
  get refused(): AbortSignal {
    return this.#refused.signal;
  }

  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void | Promise<void> {
    const written = this.#output.write(stream, bytes);
    if (written === undefined) return undefined;
    return written.catch((error: unknown) => {
      this.#error ??= error;
      this.#refused.abort({ reason: 'limit', graceMs: 0 } satisfies CancelCause);
      throw error;
    });
  }

  /** Throws why output was refused, if it was. */
  throwIfRefused(): void {
    if (this.refused.aborted) throw this.#error;
  }
}
