import { type CollectedEntry, type CollectRequest, RitmoError } from '@ritmo/agent-core/executor';
import { type FolderMatch, Globs } from '../files/globs.js';
import { isMeant, partsOf, staysInside } from './claims.js';
import { fromSpool, type Spool, type SpooledAt, type SpooledEntry, type SpoolFile } from './spool.js';

/** Something in a workspace, as a build claims it. Names and targets have one character a byte: they need not be UTF-8. */
export interface Claim {
  readonly name: string;
  /** `again`: another name of the file that is called `target`; `special`: a device, a FIFO or a socket. */
  readonly kind: 'file' | 'link' | 'again' | 'special';
  readonly mode: number;
  readonly mtimeMs: number;
  /** Bytes of a file. */
  readonly size: number;
  /** Where a link leads. */
  readonly target: string;
}

interface Kept {
  readonly name: string;
  readonly entry: SpooledEntry;
}

/**
 * Takes what the patterns mean out of what a build claims to have. No name in it becomes one of this host, what is no
 * file or link is refused, and it ends at the request's limits.
 */
export class ClaimedFiles {
  readonly #globs: Globs;
  readonly #request: CollectRequest;
  readonly #spool: Spool;
  readonly #kept = new Map<string, Kept>();
  readonly #bodies = new Map<string, SpooledAt & { readonly size: number }>();
  #hasGit = false;
  #files = 0;
  #bytes = 0;

  constructor(request: CollectRequest, spool: Spool) {
    this.#globs = new Globs(request);
    this.#request = request;
    this.#spool = spool;
  }

  /** Of all that was taken, sorted by path. */
  entries(): CollectedEntry[] {
    return this.spooled().map((entry) => fromSpool(this.#spool.folder, entry));
  }

  /** The same as JSON. */
  spooled(): SpooledEntry[] {
    const order = (a: Kept, b: Kept) => Buffer.compare(Buffer.from(a.name, 'latin1'), Buffer.from(b.name, 'latin1'));
    const entries = [...this.#kept.values()].toSorted(order).map(({ entry }) => entry);
    return this.#hasGit && this.#globs.leavesOutGit() ? [gitLeftOut, ...entries] : entries;
  }

  /** Whether the patterns can mean something in that folder. */
  reachesInto(name: string): boolean {
    const parts = shownAs(name).split('/');
    this.#hasGit ||= parts[0] === '.git';
    let match: FolderMatch = this.#globs.root();
    for (let count = 1; count <= parts.length && match !== 'none'; count++) {
      match = this.#globs.folder(parts.slice(0, count).join('/'), match);
    }
    return match !== 'none';
  }

  /** Takes it, and what it holds, where the patterns mean it; returns whether the body was read. */
  async take(claim: Claim, body: AsyncIterable<Uint8Array>, bodies: SpoolFile): Promise<boolean> {
    const parts = partsOf(claim.name);
    if (parts === undefined || parts.length === 0) return false;
    const name = parts.join('/');
    const shown = shownAs(name);
    const inside = shown.split('/');
    this.#hasGit ||= inside[0] === '.git';
    // A name that comes twice is a lie; the first counts.
    if (!isMeant(this.#globs, inside) || this.#kept.has(name)) return false;
    const bytes = Buffer.from(name, 'latin1');
    const base = {
      path: shown,
      ...(Buffer.from(shown).equals(bytes) ? {} : { pathBytes: bytes.toString('base64') }),
      mode: claim.mode & 0o777,
      mtimeMs: claim.mtimeMs,
    };
    this.#count(claim.kind === 'file' ? claim.size : 0);
    const keep = (entry: SpooledEntry) => void this.#kept.set(name, { name, entry });
    const refuse = (why: string) => keep({ kind: 'refused', path: shown, why: `${shown} was not collected: ${why}.` });
    if (claim.kind === 'file') {
      const spooled = { ...(await bodies.take(body)), size: claim.size };
      this.#bodies.set(name, spooled);
      keep({ kind: 'file', ...base, ...spooled });
      return true;
    }
    if (claim.kind === 'link') {
      const target = shownAs(claim.target);
      if (staysInside(inside, target)) keep({ kind: 'link', ...base, target });
      else refuse(`it is a link that leaves the workspace, to ${target}`);
    } else if (claim.kind === 'again') {
      const other = this.#bodies.get(partsOf(claim.target)?.join('/') ?? '');
      if (other === undefined) refuse('it is another name of a file that is not collected');
      else {
        this.#count(other.size, 0);
        keep({ kind: 'file', ...base, ...other });
      }
    } else refuse('it is a device, a FIFO or a socket');
    return false;
  }

  #count(bytes: number, files = 1): void {
    this.#files += files;
    this.#bytes += bytes;
    const { maxFiles, maxBytes } = this.#request;
    if (this.#files > maxFiles) throw tooMuch(`more than ${maxFiles} files`);
    if (this.#bytes > maxBytes) throw tooMuch(`more than ${maxBytes} bytes`);
  }
}

const gitLeftOut = { kind: 'refused', path: '.git', why: 'a pattern must name it', byRule: true } as const;

/** RITMO_ARTIFACT_LIMIT. */
export const tooMuch = (what: string) => new RitmoError('RITMO_ARTIFACT_LIMIT', `The patterns match ${what}.`);

const shownAs = (name: string) => Buffer.from(name, 'latin1').toString();
