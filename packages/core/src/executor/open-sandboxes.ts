import { RitmoError } from '../errors.js';
import type { SweepReport } from './plugin.js';
import type { SandboxId } from './request.js';

/** Whether a name can be that of a sandbox: of what lies around, only such are ever swept. */
export const isSandboxId = (name: string): boolean => /^[a-z0-9-]{1,64}$/.test(name);

/** What an executor has made and not disposed yet, by the id of its sandbox. */
export class OpenSandboxes<Job extends AsyncDisposable> {
  readonly #jobs = new Map<SandboxId, Job>();

  /** What was made for it, where it is open. */
  /** How many are open. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Whether it is open. */
  has(id: SandboxId): boolean {
    return this.#jobs.has(id);
  }

  /** What was made for it, where it is open. */
  get(id: SandboxId): Job | undefined {
    return this.#jobs.get(id);
  }

  /** Of all that are open. */
  ids(): Iterable<SandboxId> {
    return this.#jobs.keys();
  }

  /** Throws RITMO_INTERNAL for an id that is none, or that is taken. */
  assertFree(id: SandboxId): void {
    if (!isSandboxId(id)) throw new RitmoError('RITMO_INTERNAL', `"${id}" is no sandbox id.`);
    if (this.#jobs.has(id)) throw new RitmoError('RITMO_INTERNAL', `There is a sandbox ${id} already.`);
  }

  /** Takes it in. Throws as `assertFree` does. */
  add(id: SandboxId, job: Job): void {
    this.assertFree(id);
    this.#jobs.set(id, job);
  }

  /** Called by a job that is disposed. */
  delete(id: SandboxId, job: Job): void {
    if (this.#jobs.get(id) === job) this.#jobs.delete(id);
  }

  /** Disposes all, each on its own; what went wrong is told, not thrown. */
  async disposeAll(): Promise<PromiseSettledResult<void>[]> {
    return await Promise.allSettled([...this.#jobs.values()].map((job) => job[Symbol.asyncDispose]()));
  }

  /**
   * Removes sandboxes by the rules of `Executor.sweep`: those that are open here and those `found` by their names
   * around it, but none of `keep`. `remove` takes away one that is not open; one that fails keeps no other.
   */
  async sweep(
    found: Iterable<string>,
    keep: ReadonlySet<SandboxId>,
    signal: AbortSignal,
    remove: (id: SandboxId) => Promise<void>,
  ): Promise<SweepReport> {
    const removed: SandboxId[] = [];
    const failed: Array<{ id: SandboxId; error: Error }> = [];
    for (const id of new Set([...this.#jobs.keys(), ...found].filter(isSandboxId))) {
      if (keep.has(id)) continue;
      signal.throwIfAborted();
      try {
        const open = this.#jobs.get(id);
        await (open === undefined ? remove(id) : open[Symbol.asyncDispose]());
        removed.push(id);
      } catch (error) {
        failed.push({ id, error: RitmoError.from(error, 'RITMO_CLEANUP_FAILED') });
      }
    }
    return { removed, failed };
  }
}
