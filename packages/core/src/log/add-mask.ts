import { view } from './utf8.js';

const marker = Buffer.from('::add-mask::');
const newline = 0x0a;
/** Longest value that a build may add, in bytes. */
export const longestAddedMask = 65_536;

/** Where the parts of a stream go, in their order. */
export interface AddMaskSink {
  text(bytes: Uint8Array): void;
  /** A whole `::add-mask::VALUE` line; undefined where the value is longer than any that is taken. */
  mask(value: string | undefined): void;
}

/**
 * Takes the lines `::add-mask::VALUE` out of a stream. Holds back only a line's start that is still a prefix of
 * `::add-mask::`, and a value whose line has not ended.
 */
export class AddMaskFilter {
  readonly #sink: AddMaskSink;
  #lineStart = true;
  /** The beginning of a line that may become the marker. */
  #prefix: Buffer = Buffer.alloc(0);
  /** The value so far, once the marker is there. */
  #value: Buffer[] | undefined;
  #valueBytes = 0;

  constructor(sink: AddMaskSink) {
    this.#sink = sink;
  }

  push(bytes: Uint8Array): void {
    const rest = this.#value === undefined ? view(bytes) : this.#takeValue(view(bytes));
    if (rest.length === 0) return;
    const all = this.#prefix.length === 0 ? rest : Buffer.concat([this.#prefix, rest]);
    this.#prefix = Buffer.alloc(0);
    this.#pushText(all);
  }

  /** The stream ends: a value whose line has not ended counts, anything else is text. */
  flush(): void {
    if (this.#value !== undefined) this.#endValue();
    if (this.#prefix.length > 0) this.#sink.text(this.#prefix);
    this.#prefix = Buffer.alloc(0);
    this.#lineStart = true;
  }

  #pushText(all: Buffer): void {
    let from = 0;
    for (let at = all.indexOf(marker); at >= 0; at = all.indexOf(marker, at)) {
      if (at === from ? !this.#lineStart : all[at - 1] !== newline) {
        at += marker.length;
        continue;
      }
      this.#text(all.subarray(from, at));
      this.#value = [];
      this.#valueBytes = 0;
      const rest = this.#takeValue(all.subarray(at + marker.length));
      if (this.#value !== undefined) return;
      from = all.length - rest.length;
      at = from;
    }
    const end = this.#openPrefix(all, from);
    this.#prefix = Buffer.from(all.subarray(end));
    this.#text(all.subarray(from, end));
  }

  /** Where the line begins whose start may become the marker; the end where there is none. */
  #openPrefix(all: Buffer, from: number): number {
    for (let at = Math.max(from, all.length - marker.length + 1); at < all.length; at++) {
      const begins = at === from ? this.#lineStart : all[at - 1] === newline;
      if (begins && marker.subarray(0, all.length - at).equals(all.subarray(at))) return at;
    }
    return all.length;
  }

  #text(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#lineStart = bytes[bytes.length - 1] === newline;
    this.#sink.text(bytes);
  }

  /** Takes the value up to the end of its line; answers what follows. */
  #takeValue(bytes: Buffer): Buffer {
    const end = bytes.indexOf(newline);
    const part = end < 0 ? bytes : bytes.subarray(0, end);
    this.#valueBytes += part.length;
    // Of a value that is too long only the length is kept. One more byte is for the CR that may end it.
    if (this.#valueBytes <= longestAddedMask + 1) this.#value?.push(Buffer.from(part));
    if (end < 0) return bytes.subarray(bytes.length);
    this.#endValue();
    return bytes.subarray(end + 1);
  }

  #endValue(): void {
    const value = Buffer.concat(this.#value ?? []);
    const length = this.#valueBytes - (value.at(-1) === 0x0d ? 1 : 0);
    this.#value = undefined;
    this.#lineStart = true;
    this.#sink.mask(length > longestAddedMask ? undefined : value.toString('utf8', 0, length));
  }
}
