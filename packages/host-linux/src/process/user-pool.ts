import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Owner } from '../files/write-tree.js';
import { errnoOf } from '../errno.js';
import { findByUser } from './table.js';

/** How many users a pool may draw from, beginning at its first. */
export const userPoolSize = 1_000;

/**
 * Users that have no name, for one job at a time. No two pools of a machine give out the same at once: a user is
 * claimed by an abstract socket, which the kernel gives back when its holder dies. A user as whom something runs
 * already is passed over.
 */
export class UserPool implements AsyncDisposable {
  readonly #first: number;
  readonly #claims = new Map<number, Server>();
  readonly #inUse = new Set<number>();

  constructor(first: number) {
    this.#first = first;
  }

  /** A user and the group of the same number; that of the slot where it is free. Rejects when all are taken. */
  async take(slot: number): Promise<Owner> {
    for (let i = 0; i < userPoolSize; i++) {
      const uid = this.#first + ((slot + i) % userPoolSize);
      if (this.#inUse.has(uid)) continue;
      this.#inUse.add(uid);
      if (await this.#hold(uid)) return { uid, gid: uid };
      this.#inUse.delete(uid);
    }
    throw new Error(`all ${userPoolSize} users from ${this.#first} on are taken`);
  }

  /** The user may be given out again: nothing runs as it any more. */
  giveBack({ uid }: Owner): void {
    this.#inUse.delete(uid);
  }

  /** Whether this pool holds the user, or can claim it now. It stays claimed. */
  async claim(uid: number): Promise<boolean> {
    if (this.#claims.has(uid)) return true;
    if (uid < this.#first || uid >= this.#first + userPoolSize) return false;
    const server = createServer((socket) => socket.destroy());
    server.unref();
    try {
      server.listen(`\0ritmo-user-${uid}`);
      await once(server, 'listening');
    } catch (error) {
      if (errnoOf(error) === 'EADDRINUSE') return false;
      throw error;
    }
    this.#claims.set(uid, server);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const servers = [...this.#claims.values()];
    this.#claims.clear();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #hold(uid: number): Promise<boolean> {
    if (this.#claims.has(uid)) return true;
    if (!(await this.claim(uid))) return false;
    if (findByUser(uid).length === 0) return true;
    this.#claims.get(uid)?.close();
    this.#claims.delete(uid);
    return false;
  }
}
