import { maxOutputBytes } from '@ritmo/protocol';
import type { OutputWriter } from '../executor/sandbox.js';
import { AddMaskFilter } from './add-mask.js';
import type { Masking } from './gap-stream.js';
import type { MaskSet } from './mask-set.js';
import { cutBefore, incompleteTail, validUtf8, view } from './utf8.js';

/** What the output of a step needs of its recorder. */
export interface StepOutputHost {
  readonly masks: MaskSet;
  /** Something of the streams was lost before their first bytes. */
  readonly afterGap: boolean;
  /** Records valid UTF-8 of at most `maxOutputBytes` bytes. */
  output(fd: 1 | 2, text: Buffer): void;
  addMask(value: string | undefined): void;
  /** A promise while too much waits to be written. */
  room(): Promise<void> | undefined;
}

/** The output of one step: masks each stream and hands on its text, in the order in which it came. */
export class StepOutput implements OutputWriter {
  readonly #host: StepOutputHost;
  readonly #streams: { readonly stdout: StreamText; readonly stderr: StreamText };
  #ended = false;

  constructor(host: StepOutputHost) {
    this.#host = host;
    this.#streams = { stdout: new StreamText(host, 1), stderr: new StreamText(host, 2) };
  }

  /** What comes after the end of the step is not taken: an executor must not send it. */
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void | Promise<void> {
    if (this.#ended) return;
    this.#streams[stream].push(bytes);
    return this.#host.room();
  }

  /** Hands on what was held. Safe twice. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#streams.stdout.flush();
    this.#streams.stderr.flush();
  }
}

/** One stream on its way from bytes to text: commands out, secrets masked, characters whole. */
class StreamText {
  readonly #host: StepOutputHost;
  readonly #fd: 1 | 2;
  readonly #mask: Masking;
  readonly #commands: AddMaskFilter;
  /** The beginning of a character. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(host: StepOutputHost, fd: 1 | 2) {
    this.#host = host;
    this.#fd = fd;
    this.#mask = host.afterGap ? host.masks.streamAfterGap() : host.masks.stream();
    this.#commands = new AddMaskFilter({
      text: (bytes) => this.#text(this.#mask.push(bytes)),
      mask: (value) => host.addMask(value),
    });
  }

  push(bytes: Uint8Array): void {
    this.#commands.push(bytes);
  }

  flush(): void {
    this.#commands.flush();
    this.#text(this.#mask.flush());
    this.#emit(this.#rest);
    this.#rest = new Uint8Array(0);
  }

  #text(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = all.length - incompleteTail(all);
    this.#rest = new Uint8Array(all.subarray(whole));
    this.#emit(all.subarray(0, whole));
  }

  #emit(bytes: Uint8Array): void {
    const text = view(validUtf8(bytes));
    for (let from = 0; from < text.length; ) {
      const end = cutBefore(text, from, maxOutputBytes);
      this.#host.output(this.#fd, text.subarray(from, end));
      from = end;
    }
  }
}
