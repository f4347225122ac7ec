/** What of a build's output may pass besides text. */
export interface TerminalFilterOptions {
  readonly colours: boolean;
  /** Erase-line. */
  readonly erase: boolean;
}

type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape';

const maxSequence = 64;
const reset = '\u001b[0m';

// Control characters but tab, newline and CR; the C1 set; characters that turn the direction of text around.
// oxlint-disable-next-line no-control-regex
const harmful = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

/**
 * Takes everything out of a build's output that could move the cursor, rename the window, answer for the user or hide
 * text: only text, tabs, line ends, CR, colours and erase-line pass. A sequence may be cut anywhere between two calls.
 */
export class TerminalFilter {
  readonly #options: TerminalFilterOptions;
  #state: State = 'text';
  #sequence = '';
  #coloured = false;

  constructor(options: TerminalFilterOptions) {
    this.#options = options;
  }

  push(text: string): string {
    if (this.#state === 'text' && !harmful.test(text)) return text;
    let out = '';
    for (const char of text) out += this.#step(char);
    return out;
  }

  /** Forgets a sequence that was cut, and gives colours back. */
  end(): string {
    this.#state = 'text';
    const wasColoured = this.#coloured;
    this.#coloured = false;
    return wasColoured ? reset : '';
  }

  #step(char: string): string {
    switch (this.#state) {
      case 'text':
        if (char !== '\u001b') return harmful.test(char) ? '' : char;
        return this.#to('escape');
      case 'escape':
        this.#sequence = '';
        if (char === '[') return this.#to('csi');
        if (']PX^_'.includes(char)) return this.#to('string');
        // An intermediate byte: the sequence goes on.
        if (char >= ' ' && char <= '/') return '';
        this.#state = 'text';
        return char >= '0' && char <= '~' ? '' : this.#step(char);
      case 'csi':
        if (char >= '@' && char <= '~') return this.#to('text', this.#allowed(char));
        if (char >= ' ' && char <= '?' && this.#sequence.length < maxSequence) {
          this.#sequence += char;
          return '';
        }
        this.#state = 'text';
        return this.#step(char);
      case 'string':
      case 'string-escape':
        // A newline ends what a terminal would swallow for ever.
        if (char === '\n') return this.#to('text', char);
        if (char === '\u0007' || (char === '\\' && this.#state === 'string-escape')) return this.#to('text');
        return this.#to(char === '\u001b' ? 'string-escape' : 'string');
    }
  }

  #to(state: State, out = ''): string {
    this.#state = state;
    return out;
  }

  #allowed(final: string): string {
    const parameters = this.#sequence;
    if (final === 'K' && this.#options.erase && /^[012]?$/.test(parameters)) return `\u001b[${parameters}K`;
    if (final !== 'm' || !this.#options.colours || !/^[0-9;:]*$/.test(parameters)) return '';
    const shown = withoutConceal(parameters);
    if (shown === undefined) return '';
    this.#coloured = !/^0*$/.test(shown);
    return `\u001b[${shown}m`;
  }
}

/** The parameters of a colour sequence without `8`, which hides text; undefined where nothing is left. */
function withoutConceal(parameters: string): string | undefined {
  if (parameters === '') return '';
  const kept: string[] = [];
  const all = parameters.split(';');
  for (let index = 0; index < all.length; index += 1) {
    const parameter = all[index] ?? '';
    // 38;5;N and 38;2;R;G;B: what follows is a colour, not an attribute.
    const length = ['38', '48', '58'].includes(parameter) ? { '5': 3, '2': 5 }[all[index + 1] ?? ''] : undefined;
    if (length !== undefined) {
      kept.push(...all.slice(index, index + length));
      index += length - 1;
    } else if (!/^0*8(:|$)/.test(parameter)) kept.push(parameter);
  }
  return kept.length === 0 ? undefined : kept.join(';');
}

/** Text of others on one line of ours: no control character, no direction mark, no newline. */
export function oneLine(text: string): string {
  const shown = new TerminalFilter({ colours: false, erase: false }).push(text);
  return shown.replaceAll(/[\s\u200e\u200f]+/g, ' ').trim();
}
