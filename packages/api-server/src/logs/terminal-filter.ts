/** Longest escape sequence that is looked at; a longer one is dropped. */
const maxSequence = 64;
const bidirectional = /[\u202a-\u202e\u2066-\u2069]/;

/** Lets text, tab, newline, CR, colours and erase-line through, and drops every other control character. */
export class TerminalFilter {
  /** An escape sequence whose end has not come. */
  #pending = '';
  #coloured = false;

  /** The harmless part of `text`. */
  filter(text: string): string {
    let out = '';
    for (const character of text) out += this.#pending === '' ? this.#plain(character) : this.#inSequence(character);
    return out;
  }

  /** Ends what was begun: colours are reset, an unfinished sequence is dropped. */
  end(): string {
    this.#pending = '';
    if (!this.#coloured) return '';
    this.#coloured = false;
    return '\u001b[0m';
  }

  #plain(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x1b) {
      this.#pending = character;
      return '';
    }
    if (code === 0x09 || code === 0x0a || code === 0x0d) return character;
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || bidirectional.test(character)) return '';
    return character;
  }

  #inSequence(character: string): string {
    if (this.#pending.length >= maxSequence && !this.#isText()) {
      this.#pending = '';
      return this.#plain(character);
    }
    if (character === '\n' && !this.#pending.startsWith('\u001b[')) {
      // No string of the terminal (a title, a link) goes over a line: the rest is text again.
      this.#pending = '';
      return character;
    }
    if (this.#isText()) return this.#inText(character);
    if (this.#pending === '\u001b') {
      if (character === '[' || ']PX^_'.includes(character)) this.#pending += character;
      else this.#pending = isIntermediate(character) ? this.#pending + character : '';
      return '';
    }
    if (!this.#pending.startsWith('\u001b[')) {
      if (!isIntermediate(character)) this.#pending = '';
      return '';
    }
    return this.#inControlSequence(character);
  }

  #inControlSequence(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0x20 && code <= 0x3f) {
      this.#pending += character;
      return '';
    }
    const sequence = this.#pending + character;
    this.#pending = '';
    if (code < 0x20 || code > 0x7e) return this.#plain(character);
    // oxlint-disable-next-line no-control-regex
    if (!/^\u001b\[[0-9;:]*[mK]$/.test(sequence)) return '';
    if (character === 'm') this.#coloured = true;
    return sequence;
  }

  /** True inside OSC, DCS and their like, which end with BEL or ESC \. */
  #isText(): boolean {
    return this.#pending.length > 1 && ']PX^_'.includes(this.#pending[1] ?? '');
  }

  #inText(character: string): string {
    const last = this.#pending.at(-1);
    if (character === '\u0007' || character === '\u009c' || (character === '\\' && last === '\u001b'))
      this.#pending = '';
    // Only the kind and the last character matter: the text itself is dropped.
    else this.#pending = this.#pending.slice(0, 2) + character;
    return '';
  }
}

function isIntermediate(character: string): boolean {
  return character >= ' ' && character <= '/';
}
