import { GapStream, type Masking } from './gap-stream.js';
import { MaskStream } from './mask-stream.js';
import { PatternIndex } from './pattern-index.js';
import { patternsOf } from './patterns.js';

/** The secrets of one job, and all the ways in which they may show. Holds them in memory only. */
export class MaskSet {
  readonly #secrets = new Set<string>();
  readonly #patterns = new Set<string>();
  #waiting: Uint8Array[] = [];
  #indexes: readonly PatternIndex[] = [];

  /**
   * From now on the secret is masked, in streams that exist too. `too-short`: under 4 bytes, which is not masked
   * and which the job's log should say. `known`: nothing new.
   */
  add(secret: string): 'masked' | 'too-short' | 'known' {
    if (this.#secrets.has(secret)) return 'known';
    const patterns = patternsOf(secret);
    if (patterns.length === 0) return 'too-short';
    this.#secrets.add(secret);
    for (const pattern of patterns) {
      const key = Buffer.from(pattern).toString('latin1');
      if (this.#patterns.has(key)) continue;
      this.#patterns.add(key);
      this.#waiting.push(pattern);
    }
    return 'masked';
  }

  /** All that is masked. Never to be logged, nor written to a disk. */
  get secrets(): readonly string[] {
    return [...this.#secrets];
  }

  /** A text of our own (a name, a command, a message, a path) without any secret. */
  maskText(text: string): string {
    if (this.indexes().length === 0) return text;
    const stream = this.stream();
    const bytes = Buffer.concat([stream.push(Buffer.from(text, 'utf8')), stream.flush()]);
    return bytes.toString('utf8');
  }

  /** Masks one stream of bytes. */
  stream(): MaskStream {
    return new MaskStream(() => this.indexes());
  }

  /** Masks a stream of which an unknown part was lost before its first byte. */
  streamAfterGap(): Masking {
    return new GapStream(
      this.stream(),
      this.indexes().flatMap(({ patterns }) => patterns),
    );
  }

  /**
   * Indexes over all the patterns, each at most half as large as the one before it: so many secrets added one by
   * one cost little more than all at once. The same array as before where nothing was added.
   */
  private indexes(): readonly PatternIndex[] {
    if (this.#waiting.length === 0) return this.#indexes;
    const indexes = [...this.#indexes];
    let last = new PatternIndex(this.#waiting);
    for (let before = indexes.at(-1); before !== undefined && before.size < 2 * last.size; before = indexes.at(-1)) {
      indexes.pop();
      last = new PatternIndex([...before.patterns, ...last.patterns]);
    }
    this.#waiting = [];
    this.#indexes = [...indexes, last];
    return this.#indexes;
  }
}
