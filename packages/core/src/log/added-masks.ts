import { longestAddedMask } from './add-mask.js';
import type { MaskSet } from './mask-set.js';
import { sizeText } from './records.js';

/** At most this many masks are taken from a build, and this many bytes of them together. */
const mostMasks = 1000;
const mostBytes = 256 * 1024;
/** Refusals that are told one by one. */
const mostWarnings = 20;

/** What builds add to the masks of their job at run time, within bounds: a build is not to fill the agent. */
export class AddedMasks {
  readonly #masks: MaskSet;
  readonly #warn: (text: string) => void;
  #count = 0;
  #bytes = 0;
  #warnings = 0;

  constructor(masks: MaskSet, warn: (text: string) => void) {
    this.#masks = masks;
    this.#warn = warn;
  }

  /** Undefined stands for a value that was too long to be read. True when something new is masked. */
  add(value: string | undefined): boolean {
    if (value === undefined) return this.#refuse(`is longer than ${sizeText(longestAddedMask)}`);
    const bytes = Buffer.byteLength(value);
    if (this.#count >= mostMasks) return this.#refuse(`is one more than the ${mostMasks} that a job may add`);
    if (this.#bytes + bytes > mostBytes) return this.#refuse(`exceeds the ${sizeText(mostBytes)} that a job may add`);
    const answers = [...new Set([value, decoded(value)])].map((text) => this.#masks.add(text));
    if (answers.includes('masked')) {
      this.#count++;
      this.#bytes += bytes;
      return true;
    }
    return answers.includes('too-short') && this.#refuse('is shorter than 4 bytes');
  }

  /** Never says the value. */
  #refuse(why: string): false {
    this.#warnings++;
    if (this.#warnings < mostWarnings) this.#warn(`A value given to ::add-mask:: ${why}. It is not masked.`);
    if (this.#warnings === mostWarnings)
      this.#warn('More values given to ::add-mask:: are not masked. This is the last warning.');
    return false;
  }
}

/** The value that a toolkit for such commands escaped so that it fits on a line. */
function decoded(value: string): string {
  return value.replace(/%0D/gi, '\r').replace(/%0A/gi, '\n').replace(/%25/g, '%');
}
