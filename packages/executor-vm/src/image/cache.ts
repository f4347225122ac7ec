import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';

/** What is remembered of a root filesystem beside it. */
export interface ImageFacts {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  readonly reference: string;
  /** Whether a machine has shown that its shell runs here. */
  readonly verified: boolean;
}

export interface CachedImage {
  readonly path: string;
  readonly facts: ImageFacts;
}

const suffix = '.squashfs';
const staleMs = 24 * 60 * 60 * 1_000;

/** Root filesystems by the digest of what they were made of. Shared by all agents of a user; a file is whole or not there. */
export class ImageCache {
  readonly #folder: string;
  readonly #maxBytes: number;

  constructor(cacheDir: string, maxBytes: number) {
    this.#folder = join(cacheDir, 'images');
    this.#maxBytes = maxBytes;
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
  }

  find(digest: string): CachedImage | undefined {
    const path = this.#path(digest);
    const text = unlessErrno(['ENOENT'], () => readFileSync(`${path}.json`, 'utf8'));
    if (text === undefined || !existsSync(path)) return undefined;
    const now = new Date();
    unlessErrno(['ENOENT'], () => utimesSync(path, now, now));
    return { path, facts: JSON.parse(text) as ImageFacts };
  }

  /** Has `make` write the root filesystem to a new file, and keeps it. Evicts what was not used for longest. */
  async add(digest: string, make: (path: string) => Promise<ImageFacts>): Promise<CachedImage> {
    const path = this.#path(digest);
    const fresh = join(this.#folder, `new-${randomUUID()}`);
    try {
      const facts = await make(fresh);
      if (process.getuid?.() === 0) chownSync(fresh, 0, 0);
      chmodSync(fresh, 0o400);
      renameSync(fresh, path);
      this.#write(path, facts);
      this.#evict(path);
      return { path, facts };
    } finally {
      rmSync(fresh, { force: true });
    }
  }

  verify(digest: string): void {
    const found = this.find(digest);
    if (found !== undefined && !found.facts.verified) this.#write(found.path, { ...found.facts, verified: true });
  }

  /** Names and bytes of what is kept. */
  list(): Array<{ readonly reference: string; readonly bytes: number }> {
    return this.#files().map(({ path, bytes }) => {
      const text = unlessErrno(['ENOENT'], () => readFileSync(`${path}.json`, 'utf8')) ?? '{}';
      return { reference: (JSON.parse(text) as Partial<ImageFacts>).reference ?? '', bytes };
    });
  }

  /** A machine that uses what goes has it open, and keeps it until it ends. */
  #evict(keep: string): void {
    const files = this.#files().toSorted((a, b) => a.usedAt - b.usedAt);
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of files) {
      if (total <= this.#maxBytes || path === keep) continue;
      rmSync(`${path}.json`, { force: true });
      rmSync(path, { force: true });
      total -= bytes;
    }
    // What an agent that was killed was about to make.
    for (const name of readdirSync(this.#folder).filter((each) => each.startsWith('new-'))) {
      const stat = statSync(join(this.#folder, name), { throwIfNoEntry: false });
      if (stat !== undefined && Date.now() - stat.mtimeMs > staleMs) rmSync(join(this.#folder, name), { force: true });
    }
  }

  #files() {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(suffix))
      .flatMap((name) => {
        const path = join(this.#folder, name);
        const stat = statSync(path, { throwIfNoEntry: false });
        return stat === undefined ? [] : [{ path, bytes: stat.blocks * 512, usedAt: stat.mtimeMs }];
      });
  }

  #write(path: string, facts: ImageFacts): void {
    const fresh = `${path}.${randomUUID()}`;
    writeFileSync(fresh, JSON.stringify(facts), { mode: 0o600 });
    renameSync(fresh, `${path}.json`);
  }

  #path(digest: string): string {
    return join(this.#folder, `${digest.replace(/[^a-z0-9]+/g, '-')}${suffix}`);
  }
}
