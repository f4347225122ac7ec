import { Transform, type TransformCallback } from 'node:stream';

const blockBytes = 512;
/** Longer ones are none that a path needs. */
const mostRecordBytes = 1024 * 1024;

export interface RawNames {
  readonly path?: Buffer;
  readonly linkpath?: Buffer;
}

/**
 * Lets a tar archive through as it is, and keeps the bytes of the names in its extended headers, in their order: a library
 * that reads them as UTF-8 loses the names that are not.
 */
export class PaxNames extends Transform {
  /** One for each extended header that has come. */
  readonly found: RawNames[] = [];
  #head = Buffer.alloc(0);
  /** Of the content that comes now, padded. */
  #left = 0;
  #records: { readonly chunks: Buffer[]; readonly size: number } | undefined;
  /** What the extended header says of the entry after it. */
  #size: number | undefined;

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left > 0) {
        const bytes = rest.subarray(0, this.#left);
        this.#records?.chunks.push(bytes);
        this.#left -= bytes.length;
        rest = rest.subarray(bytes.length);
        if (this.#left === 0) this.#endRecords();
      } else {
        const wanted = blockBytes - this.#head.length;
        this.#head = Buffer.concat([this.#head, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (this.#head.length === blockBytes) this.#begin();
      }
    }
    done(undefined, chunk);
  }

  #begin(): void {
    const type = this.#head.toString('latin1', 156, 157);
    const written = numberAt(this.#head, 124, 12);
    const extended = type === 'x' || type === 'g';
    const size = extended ? written : (this.#size ?? written);
    this.#head = Buffer.alloc(0);
    if (!extended) this.#size = undefined;
    if (type === 'x') this.#records = size > mostRecordBytes ? undefined : { chunks: [], size };
    if (type === 'x' && this.#records === undefined) this.found.push({});
    // Links and folders have no content, whatever they say.
    this.#left = '123456'.includes(type) ? 0 : Math.ceil(size / blockBytes) * blockBytes;
    if (this.#left === 0) this.#endRecords();
  }

  #endRecords(): void {
    if (this.#records === undefined) return;
    const { chunks, size } = this.#records;
    this.#records = undefined;
    const records = recordsOf(Buffer.concat(chunks).subarray(0, size));
    const [path, linkpath, length] = ['path', 'linkpath', 'size'].map((key) => records.get(key));
    this.#size = length === undefined ? undefined : Number(length.toString('latin1'));
    this.found.push({ ...(path && { path }), ...(linkpath && { linkpath }) });
  }
}

/** Records are `LENGTH KEY=VALUE` and a newline, where the length counts all of it. */
function recordsOf(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(' ', at);
    const length = Number(bytes.toString('latin1', at, space));
    const equals = bytes.indexOf('=', space);
    if (space < 0 || equals < 0 || !Number.isSafeInteger(length) || length <= 0) break;
    records.set(bytes.toString('latin1', space + 1, equals), Buffer.from(bytes.subarray(equals + 1, at + length - 1)));
    at += length;
  }
  return records;
}

/** In octal, or as bytes behind one that says so. */
function numberAt(head: Buffer, at: number, length: number): number {
  if (((head[at] ?? 0) & 0x80) !== 0) return Number(head.readBigUInt64BE(at + length - 8));
  return Number.parseInt(head.toString('latin1', at, at + length).replace(/[\0 ].*$/, ''), 8) || 0;
}
