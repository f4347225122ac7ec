import { chmodSync, lstatSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoOf, unlessErrno } from '../errno.js';
import { TimeSlice } from '../time-slice.js';
import { Folder } from './folder.js';

const maxPasses = 100;
/** Names of one folder that are held in memory. */
const atOnce = 4_096;

/**
 * Removes a tree that somebody hostile made: no link is followed, closed folders are opened up, depth costs
 * nothing, and what is mounted inside is left alone. `path` may be a folder, a file, or not there. Rejects with the
 * system's error when something stays.
 */
export async function removeTree(path: string): Promise<void> {
  const name = Buffer.from(basename(path));
  const parent = unlessErrno(['ENOENT'], () => Folder.open(dirname(path)));
  if (parent === undefined) return;
  using around = parent;
  await removeItem(around, name);
}

/** As `removeTree`, for one name in an open folder. */
export async function removeItem(parent: Folder, name: Buffer): Promise<void> {
  const stat = unlessErrno(['ENOENT'], () => lstatSync(parent.at(name)));
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    unlessErrno(['ENOENT'], () => unlinkSync(parent.at(name)));
    return;
  }
  await new Removal(parent, name).run();
}

/**
 * Folders inside are moved up beside each other before they are emptied: so neither the length of a path nor the
 * number of open descriptors grows with the depth of the tree.
 */
class Removal {
  readonly #parent: Folder;
  readonly #name: Buffer;
  readonly #slice = new TimeSlice();
  #moved = 0;

  constructor(parent: Folder, name: Buffer) {
    this.#parent = parent;
    this.#name = name;
  }

  async run(): Promise<void> {
    for (let pass = 1; ; pass++) {
      const top = unlessErrno(['ENOENT'], () => openUp(this.#parent, this.#name));
      if (top === undefined) return;
      using folder = top;
      await this.#empty(folder);
      if (this.#gone(pass)) return;
    }
  }

  #gone(pass: number): boolean {
    try {
      rmdirSync(this.#parent.at(this.#name));
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') return true;
      // Somebody still writes into it: again, but not for ever.
      if ((code === 'ENOTEMPTY' || code === 'EEXIST') && pass < maxPasses) return false;
      throw error;
    }
  }

  /** Until it is empty, or something in it would not go. */
  async #empty(top: Folder): Promise<void> {
    for (let stayed = false; !stayed; ) {
      const work: Buffer[] = [];
      // Renaming also shows a place where something is mounted: that is never emptied.
      const count = await this.#clear(top, (name) => work.push(this.#moveUp(top, top, name)));
      if (count === 0) return;
      for (let name = work.pop(); name !== undefined; name = work.pop()) {
        if (!(await this.#emptyInner(top, name, work))) stayed = true;
      }
    }
  }

  /** Empties a folder in the top one, or takes a part of it and puts the rest back to the work. */
  async #emptyInner(top: Folder, name: Buffer, work: Buffer[]): Promise<boolean> {
    const opened = unlessErrno(['ENOENT'], () => openUp(top, name));
    if (opened === undefined) return true;
    const folders: Buffer[] = [];
    let again: boolean;
    {
      using folder = opened;
      again = (await this.#clear(folder, (inner) => folders.push(this.#moveUp(top, folder, inner)))) === atOnce;
    }
    work.push(...(again ? [name] : []), ...folders);
    return again || unlessErrno(['ENOTEMPTY', 'EEXIST'], () => removeEmpty(top, name)) === true;
  }

  /** Unlinks what the folder holds but folders, which are handed on; a bounded part of it. Tells how many it saw. */
  async #clear(folder: Folder, onFolder: (name: Buffer) => void): Promise<number> {
    const items = await folder.someItems(atOnce);
    for (const item of items) {
      if (this.#slice.due()) await this.#slice.next();
      if (item.kind === 'folder') onFolder(item.name);
      else unlessErrno(['ENOENT'], () => unlinkSync(folder.at(item.name)));
    }
    return items.length;
  }

  #moveUp(top: Folder, folder: Folder, name: Buffer): Buffer {
    this.#moved += 1;
    const unique = Buffer.from(`.ritmo-removed-${process.pid}-${this.#moved}-${process.hrtime.bigint()}`);
    try {
      renameSync(folder.at(name), top.at(unique));
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error;
      chmodSync(folder.at(name), 0o700);
      renameSync(folder.at(name), top.at(unique));
    }
    return unique;
  }
}

function removeEmpty(top: Folder, name: Buffer): true {
  unlessErrno(['ENOENT'], () => rmdirSync(top.at(name)));
  return true;
}

/** Opens a folder that its owner may have closed to himself: only an agent without root ever needs the chmod. */
function openUp(parent: Folder, name: Buffer): Folder {
  if (process.getuid?.() !== 0) chmodSync(parent.at(name), 0o700);
  return parent.folder(name);
}
