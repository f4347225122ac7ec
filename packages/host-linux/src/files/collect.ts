import { closeSync, lstatSync, readlinkSync, type Stats } from 'node:fs';
import { type CollectedEntry, type CollectRequest, type FileEntry, RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf, unlessErrno } from '../errno.js';
import { TimeSlice } from '../time-slice.js';
import { Folder, type FolderItem } from './folder.js';
import { type FolderMatch, Globs } from './globs.js';
import { staysInside } from './link-target.js';
import { readAgain } from './read-file.js';

const maxDepth = 256;
const maxInFolder = 100_000;
const permissions = 0o777;

/**
 * Streams what matches below `root`, sorted by name within each folder. Every name is opened below the descriptor
 * of its folder and no link is followed, so a tree made by somebody hostile shows nothing from elsewhere.
 */
export async function* collectFiles(
  root: string,
  request: CollectRequest,
  signal: AbortSignal,
): AsyncGenerator<CollectedEntry> {
  const globs = new Globs(request);
  const walk = new Walk(root, globs, signal);
  const budget = new Budget(request);
  using top = Folder.open(root);
  const hidden = globs.leavesOutGit() && unlessErrno(['ENOENT'], () => lstatSync(top.at(Buffer.from('.git'))));
  if (hidden) yield { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true };
  for await (const entry of walk.below(top, [], globs.root())) {
    budget.take(entry);
    yield entry;
  }
}

class Budget {
  readonly #request: CollectRequest;
  #files = 0;
  #bytes = 0;

  constructor(request: CollectRequest) {
    this.#request = request;
  }

  take(entry: CollectedEntry): void {
    this.#files += 1;
    if (entry.kind === 'file') this.#bytes += entry.size;
    const { maxFiles, maxBytes } = this.#request;
    if (this.#files > maxFiles) throw tooMuch(`more than ${maxFiles} files`);
    if (this.#bytes > maxBytes) throw tooMuch(`more than ${maxBytes} bytes`);
  }
}

function tooMuch(what: string): RitmoError {
  return new RitmoError('RITMO_ARTIFACT_LIMIT', `The patterns match ${what}.`);
}

interface Wanted {
  readonly item: FolderItem;
  readonly path: readonly Buffer[];
  /** What a folder is to the patterns. */
  readonly inner?: FolderMatch;
}

class Walk {
  readonly #root: string;
  readonly #globs: Globs;
  readonly #signal: AbortSignal;
  readonly #slice = new TimeSlice();
  readonly #user = process.geteuid?.();

  constructor(root: string, globs: Globs, signal: AbortSignal) {
    this.#root = root;
    this.#globs = globs;
    this.#signal = signal;
  }

  async *below(folder: Folder, names: readonly Buffer[], match: FolderMatch): AsyncGenerator<CollectedEntry> {
    for (const { item, path, inner } of await this.#wanted(folder, names, match)) {
      this.#signal.throwIfAborted();
      if (this.#slice.due()) await this.#slice.next();
      if (inner !== undefined) yield* this.#folder(folder, path, inner);
      else yield* this.#entry(folder, item, path);
    }
  }

  /** What of a folder the patterns can mean, sorted by name. What they cannot is not kept. */
  async #wanted(folder: Folder, names: readonly Buffer[], match: FolderMatch): Promise<Wanted[]> {
    const wanted: Wanted[] = [];
    for await (const item of folder.items()) {
      this.#signal.throwIfAborted();
      if (this.#slice.due()) await this.#slice.next();
      const path = [...names, item.name];
      if (item.kind === 'folder') {
        const inner = this.#globs.folder(shown(path), match);
        if (inner !== 'none') wanted.push({ item, path, inner });
      } else if (this.#globs.file(shown(path), match)) wanted.push({ item, path });
      if (wanted.length > maxInFolder) throw tooMuch(`more than ${maxInFolder} names in one folder`);
    }
    return wanted.toSorted((a, b) => Buffer.compare(a.item.name, b.item.name));
  }

  async *#folder(parent: Folder, names: readonly Buffer[], match: FolderMatch): AsyncGenerator<CollectedEntry> {
    if (names.length > maxDepth) {
      yield refused(names, `it lies deeper than ${maxDepth} folders`);
      return;
    }
    let folder: Folder;
    try {
      folder = parent.folder(names.at(-1) as Buffer);
    } catch (error) {
      yield refused(names, whyNot(error));
      return;
    }
    using opened = folder;
    yield* this.below(opened, names, match);
  }

  *#entry(folder: Folder, item: FolderItem, names: readonly Buffer[]): Generator<CollectedEntry> {
    if (item.kind === 'link') yield this.#link(folder, item.name, names);
    else if (item.kind === 'file') yield* this.#file(folder, item.name, names);
    else yield refused(names, 'it is a device, a FIFO or a socket');
  }

  #link(folder: Folder, name: Buffer, names: readonly Buffer[]): CollectedEntry {
    const found = unlessErrno(['ENOENT', 'EINVAL'], () => ({
      stat: lstatSync(folder.at(name)),
      target: readlinkSync(folder.at(name), { encoding: 'buffer' }),
    }));
    if (found === undefined) return refused(names, 'it vanished');
    if (!isUtf8(found.target)) return refused(names, 'it is a link whose target is not UTF-8');
    if (!staysInside(Buffer.from(this.#root), names.slice(0, -1), found.target)) {
      return refused(names, `it is a link that leaves the workspace, to ${found.target.toString()}`);
    }
    return { kind: 'link', ...base(names, found.stat), target: found.target.toString() };
  }

  *#file(folder: Folder, name: Buffer, names: readonly Buffer[]): Generator<CollectedEntry> {
    let stat: Stats;
    try {
      stat = lstatSync(folder.at(name));
      // Who reads it opens it then. To do so now, only to learn whether it may be read, is most of what a small file costs.
      if (stat.isFile() && !this.#mayRead(stat)) closeSync(folder.file(name));
    } catch (error) {
      yield refused(names, whyNot(error));
      return;
    }
    yield stat.isFile() ? this.#body(folder, stat, names) : refused(names, 'it was replaced while it was collected');
  }

  /** Whether the mode alone tells that this process may. */
  #mayRead({ mode, uid }: Stats): boolean {
    if (this.#user === 0) return true;
    return uid === this.#user ? (mode & 0o400) !== 0 : (mode & 0o044) === 0o044;
  }

  #body(folder: Folder, stat: Stats, names: readonly Buffer[]): FileEntry {
    const found = { root: this.#root, names, stat, shown: shown(names) };
    return {
      kind: 'file',
      ...base(names, stat),
      size: stat.size,
      body: readAgain(found, { start: 0, end: stat.size, folder }),
      range: (start, end, into) => readAgain(found, { start, end, into }),
    };
  }
}

function base(names: readonly Buffer[], stat: Stats) {
  const bytes = joined(names);
  return {
    path: bytes.toString(),
    ...(isUtf8(bytes) ? {} : { pathBytes: new Uint8Array(bytes) }),
    mode: stat.mode & permissions,
    mtimeMs: stat.mtimeMs,
  };
}

function refused(names: readonly Buffer[], reason: string): CollectedEntry {
  const path = shown(names);
  return { kind: 'refused', path, why: `${path} was not collected: ${reason}.` };
}

function whyNot(error: unknown): string {
  const code = errnoOf(error);
  if (code === 'ENOENT') return 'it vanished';
  if (code === 'EACCES' || code === 'EPERM') return 'the agent may not read it';
  if (code === 'ELOOP' || code === 'ENOTDIR') return 'it was replaced while it was collected';
  return `it cannot be opened (${code ?? String(error)})`;
}

const joined = (names: readonly Buffer[]) =>
  Buffer.from(names.map((name) => name.toString('latin1')).join('/'), 'latin1');

const shown = (names: readonly Buffer[]) => joined(names).toString();

const isUtf8 = (bytes: Buffer) => Buffer.from(bytes.toString()).equals(bytes);
