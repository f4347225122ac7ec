import type { Readable } from 'node:stream';
import { type CollectedEntry, type CollectRequest, RitmoError } from '@ritmo/agent-core/executor';
import { extract, type Headers } from 'tar-stream';
import { type Claim, ClaimedFiles, tooMuch } from './claimed-files.js';
import { partsOf } from './claims.js';
import { PaxNames } from './pax-names.js';
import type { Spool, SpooledEntry } from './spool.js';

/** One character a byte: names need not be UTF-8. The types of the library do not know the option. */
const bytesAsNames: object = { filenameEncoding: 'latin1' };
/** A sparse file is many zeros in an archive: more than this nobody waits for. */
const mostSkipped = 256 * 1024 * 1024 * 1024;
const kinds: Readonly<Record<string, Claim['kind']>> = {
  file: 'file',
  'contiguous-file': 'file',
  symlink: 'link',
  link: 'again',
};

/** Takes what the patterns mean out of archives that are a build's claim, which may hold anything. */
export class ArchiveFiles {
  readonly #files: ClaimedFiles;
  readonly #spool: Spool;
  readonly #strip: number;
  #skipped = 0;

  /** The first `strip` names of each path are not the build's. */
  constructor(request: CollectRequest, spool: Spool, strip = 0) {
    this.#files = new ClaimedFiles(request, spool);
    this.#spool = spool;
    this.#strip = strip;
  }

  /** Reads one archive to its end. Rejects with RITMO_ARTIFACT_LIMIT, or RITMO_SANDBOX_BROKEN for one that is none. */
  async read(source: Readable): Promise<void> {
    using bodies = this.#spool.open();
    try {
      const names = new PaxNames();
      source.once('error', (error) => names.destroy(error));
      for await (const entry of source.pipe(names).pipe(extract(bytesAsNames))) {
        const claim = this.#claim(named(entry.header, names));
        const body = entry as AsyncIterable<Uint8Array>;
        if (claim === undefined || !(await this.#files.take(claim, body, bodies))) await this.#skip(body);
      }
    } catch (error) {
      if (error instanceof RitmoError) throw error;
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `The sandbox sent an archive that cannot be read: ${String(error)}`);
    } finally {
      source.destroy();
    }
  }

  /** Of all archives, sorted by path. */
  entries(): CollectedEntry[] {
    return this.#files.entries();
  }

  /** The same as JSON. */
  spooled(): SpooledEntry[] {
    return this.#files.spooled();
  }

  #claim({ name, type, mode, mtime, size, linkname }: Headers): Claim | undefined {
    const [inside, target] = [name, linkname ?? ''].map((each) => partsOf(each)?.slice(this.#strip).join('/'));
    if (inside === undefined || type === 'directory') return undefined;
    const kind = kinds[type ?? 'file'] ?? 'special';
    return {
      name: inside,
      kind,
      mode: mode ?? 0,
      mtimeMs: mtime?.getTime() ?? 0,
      size: size ?? 0,
      target: kind === 'again' ? (target ?? '') : (linkname ?? ''),
    };
  }

  async #skip(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) {
      this.#skipped += chunk.length;
      if (this.#skipped > mostSkipped) throw tooMuch('files beside more than can be read');
    }
  }
}

/** The header with the bytes of its names, one character each. */
function named(header: Headers & { readonly pax?: unknown }, names: PaxNames): Headers {
  if (header.pax === null || header.pax === undefined) return header;
  const { path, linkpath } = names.found.shift() ?? {};
  return {
    ...header,
    ...(path && { name: path.toString('latin1') }),
    ...(linkpath && { linkname: linkpath.toString('latin1') }),
  };
}
