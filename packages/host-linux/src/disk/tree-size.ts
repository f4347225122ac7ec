import { lstatSync, type Stats, statSync } from 'node:fs';
import { errnoOf, unlessErrno } from '../errno.js';
import { Folder } from '../files/folder.js';
import { TimeSlice } from '../time-slice.js';

/** Descriptors held open at once, however deep a tree is. */
const openAtOnce = 32;
/** Deeper than any path that programs can use at once. */
const defaultMaxDepth = 4_096;
const defaultMaxEntries = 5_000_000;

const closed = ['EACCES', 'EPERM'];
const vanished = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'ESTALE'];

export interface TreeSizeOptions {
  readonly signal: AbortSignal;
  /** Counting stops past so many bytes. */
  readonly enough?: number;
  /** Counting stops past so many names; 5,000,000 where absent. */
  readonly maxEntries?: number;
  /** Counting stops below so many folders; 4,096 where absent. */
  readonly maxDepth?: number;
}

export interface TreeSize {
  /** On disk, as `du` counts them. */
  readonly bytes: number;
  readonly entries: number;
  /** Folders that the agent may not look into: what they hold is not counted. */
  readonly hidden: number;
  /** False where counting was given up: past `enough`, `maxEntries` or `maxDepth`. */
  readonly complete: boolean;
}

/**
 * What some trees take on disk together, each file once however many names it has. For trees that somebody hostile
 * changes meanwhile: looked up by descriptor, no link followed, no other file system entered, memory and descriptors
 * bounded. A root that is not there counts nothing. Files without a name that are still open are not seen.
 */
export async function treeSize(roots: readonly string[], options: TreeSizeOptions): Promise<TreeSize> {
  const count = new Count(options);
  for (const root of roots) {
    const device = unlessErrno([...vanished, ...closed], () => statSync(root))?.dev;
    if (device !== undefined && !count.over) await count.add(root, device);
  }
  return count.sum();
}

/** A folder that is still to be read, by its way down from the root. */
interface Pending {
  readonly name: Buffer;
  readonly parent: Pending | undefined;
  readonly depth: number;
}

class Count {
  readonly #options: TreeSizeOptions;
  readonly #slice = new TimeSlice();
  /** Files with several names that were counted. */
  readonly #seen = new Set<string>();
  #bytes = 0;
  #entries = 0;
  #hidden = 0;
  #tooDeep = false;

  constructor(options: TreeSizeOptions) {
    this.#options = options;
  }

  get over(): boolean {
    const { enough = Number.POSITIVE_INFINITY, maxEntries = defaultMaxEntries } = this.#options;
    return this.#tooDeep || this.#bytes > enough || this.#entries > maxEntries;
  }

  sum(): TreeSize {
    return { bytes: this.#bytes, entries: this.#entries, hidden: this.#hidden, complete: !this.over };
  }

  async add(root: string, device: number): Promise<void> {
    using way = new OpenWay(root);
    const pending: Pending[] = [{ name: Buffer.alloc(0), parent: undefined, depth: 0 }];
    for (let next = pending.pop(); next !== undefined && !this.over; next = pending.pop()) {
      const at = next;
      const folder = this.#unlessGone(() => way.open(at));
      if (folder !== undefined) await this.#read(folder, at, device, pending);
    }
  }

  async #read(folder: Folder, at: Pending, device: number, pending: Pending[]): Promise<void> {
    // A folder that stands in for the one that was seen may lie on another file system.
    const stat = folder.stat();
    if (stat.dev !== device) return;
    if (at.parent === undefined) this.#bytes += stat.blocks * 512;
    for await (const { name, kind } of folder.items()) {
      this.#options.signal.throwIfAborted();
      if (this.#slice.due()) await this.#slice.next();
      this.#entries += 1;
      const found = this.#unlessGone(() => lstatSync(folder.at(name)));
      if (found === undefined || found.dev !== device) continue;
      this.#take(found);
      if (kind === 'folder') {
        if (at.depth >= (this.#options.maxDepth ?? defaultMaxDepth)) this.#tooDeep = true;
        else pending.push({ name, parent: at, depth: at.depth + 1 });
      }
      if (this.over) return;
    }
  }

  #take(stat: Stats): void {
    if (stat.nlink > 1 && !stat.isDirectory()) {
      const key = `${stat.dev}:${stat.ino}`;
      if (this.#seen.has(key)) return;
      this.#seen.add(key);
    }
    this.#bytes += stat.blocks * 512;
  }

  #unlessGone<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      const code = errnoOf(error) ?? '';
      if (closed.includes(code)) this.#hidden += 1;
      else if (!vanished.includes(code)) throw error;
      return undefined;
    }
  }
}

/** The folders on the way to the one that is read, the nearest of them open; those further up are opened again. */
class OpenWay implements Disposable {
  readonly #root: string;
  readonly #open: Array<{ readonly at: Pending; readonly folder: Folder }> = [];

  constructor(root: string) {
    this.#root = root;
  }

  /** Stays open until the next call. */
  open(at: Pending): Folder {
    const missing: Pending[] = [];
    let from: Pending | undefined = at;
    // The tree is read depth first: what lies nearer to the root than the open ones is behind us.
    while (from !== undefined && !this.#holds(from)) {
      missing.push(from);
      from = from.parent;
    }
    this.#closeBelow(from);
    for (let next = missing.pop(); next !== undefined; next = missing.pop()) this.#enter(next);
    return (this.#open.at(-1) as { folder: Folder }).folder;
  }

  [Symbol.dispose](): void {
    this.#closeBelow(undefined);
  }

  #holds(at: Pending): boolean {
    const first = this.#open[0];
    return first !== undefined && at.depth >= first.at.depth && this.#open[at.depth - first.at.depth]?.at === at;
  }

  /** All where `last` is undefined. */
  #closeBelow(last: Pending | undefined): void {
    while (this.#open.length > 0 && this.#open.at(-1)?.at !== last) this.#open.pop()?.folder[Symbol.dispose]();
  }

  #enter(at: Pending): void {
    const folder = at.parent === undefined ? Folder.open(this.#root) : this.#open.at(-1)?.folder.folder(at.name);
    if (folder === undefined) throw new Error('The folder around it is not open.');
    this.#open.push({ at, folder });
    if (this.#open.length > openAtOnce) this.#open.shift()?.folder[Symbol.dispose]();
  }
}
