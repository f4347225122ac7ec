import type { Readable } from 'node:stream';
import { type CollectedEntry, type CollectRequest, RitmoError } from '@ritmo/agent-core/executor';
import { extract, type Headers } from 'tar-stream';
import { Globs } from '../files/globs.js';
import { PaxNames } from './pax-names.js';
import { isMeant, partsOf, staysInside } from './claims.js';
import { fromSpool, type Spool, type SpooledAt, type SpooledEntry, type SpoolFile } from './spool.js';

/** One character a byte: names need not be UTF-8. The types of the library do not know the option. */
const bytesAsNames: object = { filenameEncoding: 'latin1' };
/** A sparse file is many zeros in an archive: more than this nobody waits for. */
const mostSkipped = 256 * 1024 * 1024 * 1024;

interface Kept {
  readonly name: string;
  readonly entry: SpooledEntry;
}

/**
 * Takes what the patterns mean out of archives that are a build's claim. They may hold anything: no name in them becomes
 * one of this host, what is no file or link is refused, and reading ends at the request's limits.
 */
export class ArchiveFiles {
  readonly #globs: Globs;
  readonly #request: CollectRequest;
  readonly #spool: Spool;
  readonly #strip: number;
  readonly #kept = new Map<string, Kept>();
  readonly #bodies = new Map<string, SpooledAt & { readonly size: number }>();
  #files = 0;
  #bytes = 0;
  #skipped = 0;

  /** The first `strip` names of each path are not the build's. */
  constructor(request: CollectRequest, spool: Spool, strip = 0) {
    this.#globs = new Globs(request);
    this.#request = request;
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
        await this.#take(named(entry.header, names), entry as AsyncIterable<Uint8Array>, bodies);
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
    return this.spooled().map((entry) => fromSpool(this.#spool.folder, entry));
  }

  /** The same as JSON. */
  spooled(): SpooledEntry[] {
    const order = (a: Kept, b: Kept) => Buffer.compare(Buffer.from(a.name, 'latin1'), Buffer.from(b.name, 'latin1'));
    return [...this.#kept.values()].toSorted(order).map(({ entry }) => entry);
  }

  async #take(header: Headers, body: AsyncIterable<Uint8Array>, bodies: SpoolFile): Promise<void> {
    const parts = partsOf(header.name)?.slice(this.#strip);
    if (parts === undefined || parts.length === 0 || header.type === 'directory') return this.#skip(body);
    const name = parts.join('/');
    const bytes = Buffer.from(name, 'latin1');
    const shown = bytes.toString();
    const inside = shown.split('/');
    // A name that comes twice is a lie; the first counts.
    if (!isMeant(this.#globs, inside) || this.#kept.has(name)) return this.#skip(body);
    const base = {
      path: shown,
      ...(Buffer.from(shown).equals(bytes) ? {} : { pathBytes: bytes.toString('base64') }),
      mode: (header.mode ?? 0) & 0o777,
      mtimeMs: header.mtime?.getTime() ?? 0,
    };
    this.#count(header.type === 'file' ? (header.size ?? 0) : 0);
    const keep = (entry: SpooledEntry) => void this.#kept.set(name, { name, entry });
    const refuse = (why: string) => keep({ kind: 'refused', path: shown, why: `${shown} was not collected: ${why}.` });
    if (header.type === 'symlink') {
      const target = Buffer.from(header.linkname ?? '', 'latin1').toString();
      if (staysInside(inside, target)) keep({ kind: 'link', ...base, target });
      else refuse(`it is a link that leaves the workspace, to ${target}`);
    } else if (header.type === 'file' || header.type === 'contiguous-file') {
      const size = header.size ?? 0;
      const spooled = { ...(await bodies.take(body)), size };
      this.#bodies.set(name, spooled);
      keep({ kind: 'file', ...base, ...spooled });
      return undefined;
    } else if (header.type === 'link') {
      const other = this.#bodies.get(
        partsOf(header.linkname ?? '')
          ?.slice(this.#strip)
          .join('/') ?? '',
      );
      if (other === undefined) refuse('it is another name of a file that is not collected');
      else {
        this.#count(other.size, 0);
        keep({ kind: 'file', ...base, ...other });
      }
    } else refuse('it is a device, a FIFO or a socket');
    return this.#skip(body);
  }

  #count(bytes: number, files = 1): void {
    this.#files += files;
    this.#bytes += bytes;
    const { maxFiles, maxBytes } = this.#request;
    if (this.#files > maxFiles) throw tooMuch(`more than ${maxFiles} files`);
    if (this.#bytes > maxBytes) throw tooMuch(`more than ${maxBytes} bytes`);
  }

  async #skip(body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of body) {
      this.#skipped += chunk.length;
      if (this.#skipped > mostSkipped) throw tooMuch('files beside more than can be read');
    }
  }
}

const tooMuch = (what: string) => new RitmoError('RITMO_ARTIFACT_LIMIT', `The patterns match ${what}.`);

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
