import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner } from '../files/write-tree.js';
import { openLockFolder, takeLockFile } from './lock-file.js';
import { findByUser } from './table.js';

/** How many users a pool may draw from, beginning at its first. */
export const userPoolSize = 1_000;
/** One for all agents of a machine. Only root can write to the folder around it. */
const machineFolder = '/var/run/ritmo-users';

/**
 * Users that have no name, for one job at a time. No two pools of a machine give out the same at once: a user is
 * claimed by the lock of a file that only root can reach, and the kernel gives it back when its holder dies. A user as
 * whom something runs already is passed over.
 */
export class UserPool implements AsyncDisposable {
  readonly #first: number;
  readonly #folder: string;
  /** Descriptors that hold the locks. */
  readonly #claims = new Map<number, number>();
  readonly #inUse = new Set<number>();

  /** `folder` is where the lock files lie: pools of one machine share it. */
  constructor(first: number, folder = machineFolder) {
    this.#first = first;
    this.#folder = folder;
  }

  /**
   * A user and the group of the same number; that of the slot where it is free. Rejects with
   * RITMO_EXECUTOR_UNAVAILABLE when all are taken, or none can be claimed here.
   */
  async take(slot: number): Promise<Owner> {
    for (let i = 0; i < userPoolSize; i++) {
      const uid = this.#first + ((slot + i) % userPoolSize);
      if (this.#inUse.has(uid)) continue;
      this.#inUse.add(uid);
      try {
        if (await this.#hold(uid)) return { uid, gid: uid };
      } catch (error) {
        this.#inUse.delete(uid);
        throw RitmoError.from(error, 'RITMO_EXECUTOR_UNAVAILABLE');
      }
      this.#inUse.delete(uid);
    }
    throw new RitmoError(
      'RITMO_EXECUTOR_UNAVAILABLE',
      `All ${userPoolSize} users for jobs, from ${this.#first} on, are taken.`,
      { hint: 'Set another `uidBase` of the executor, or end what runs as these users.' },
    );
  }

  /** The user may be given out again: nothing runs as it any more. */
  giveBack({ uid }: Owner): void {
    this.#inUse.delete(uid);
  }

  /** Takes a user as whom a job of an agent before this one still runs; false where it cannot be claimed. */
  async takeOver({ uid }: Owner): Promise<boolean> {
    if (this.#inUse.has(uid) || !(await this.claim(uid))) return false;
    this.#inUse.add(uid);
    return true;
  }

  /** Whether this pool holds the user, or can claim it now. It stays claimed. */
  async claim(uid: number): Promise<boolean> {
    if (this.#claims.has(uid)) return true;
    if (uid < this.#first || uid >= this.#first + userPoolSize) return false;
    openLockFolder(this.#folder);
    const lock = await takeLockFile(join(this.#folder, String(uid)));
    if (lock === undefined) return false;
    this.#claims.set(uid, lock);
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const lock of this.#claims.values()) closeSync(lock);
    this.#claims.clear();
    return Promise.resolve();
  }

  async #hold(uid: number): Promise<boolean> {
    if (this.#claims.has(uid)) return true;
    if (!(await this.claim(uid))) return false;
    if (findByUser(uid).length === 0) return true;
    const lock = this.#claims.get(uid);
    this.#claims.delete(uid);
    if (lock !== undefined) closeSync(lock);
    return false;
  }
}
