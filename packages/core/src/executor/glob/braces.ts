/** Pairs of braces with a comma between them: where each opens, and where its commas and its end are. */
type Braces = ReadonlyMap<number, readonly number[]>;

export interface BraceBounds {
  readonly maxTexts: number;
  readonly maxChars: number;
}

/** What `{a,b}` in a pattern stands for, nested ones too; undefined where that is more than the bounds. */
export function expandBraces(text: string, bounds: BraceBounds): string[] | undefined {
  const braces = findBraces(text);
  return braces.size === 0 ? [text] : expand(text, 0, text.length, braces, bounds);
}

function expand(text: string, from: number, to: number, braces: Braces, bounds: BraceBounds): string[] | undefined {
  let made = [''];
  let plain = from;
  for (let at = from; at < to; ) {
    const ends = braces.get(at);
    if (ends === undefined) {
      at += 1;
      continue;
    }
    const choices: string[] = [];
    let start = at + 1;
    for (const end of ends) {
      const inner = expand(text, start, end, braces, bounds);
      if (inner === undefined) return undefined;
      choices.push(...inner);
      start = end + 1;
    }
    const before = text.slice(plain, at);
    if (made.length * choices.length > bounds.maxTexts) return undefined;
    made = made.flatMap((one) => choices.map((choice) => one + before + choice));
    if (made.reduce((sum, one) => sum + one.length, 0) > bounds.maxChars) return undefined;
    at = start;
    plain = start;
  }
  const rest = text.slice(plain, to);
  return made.map((one) => one + rest);
}

function findBraces(text: string): Braces {
  const found = new Map<number, number[]>();
  const open: Array<{ at: number; commas: number[] }> = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at += 1;
    else if (char === '{') open.push({ at, commas: [] });
    else if (char === ',') open.at(-1)?.commas.push(at);
    else if (char === '}') {
      const last = open.pop();
      if (last !== undefined && last.commas.length > 0) found.set(last.at, [...last.commas, at]);
    }
  }
  return found;
}
