/** Whether a name (no slash in it) is meant. */
export type NameTest = (name: string) => boolean;

const any = Symbol('any');

interface Choice {
  readonly negated: boolean;
  readonly ranges: ReadonlyArray<readonly [number, number]>;
}

type Token = typeof any | Choice;

/**
 * `*`, `?` and `[...]` over one name, `\` before what is meant as it stands. The time is at most length of the name
 * times length of the pattern: after a mismatch only the last `*` is tried again.
 */
export function compileName(pattern: string, dot: boolean): NameTest {
  const tokens = tokensOf(pattern);
  const [first] = tokens;
  const namesDot = first !== undefined && first !== any && isOnly(first, 0x2e);
  return (name) => (dot || namesDot || !name.startsWith('.')) && matches(tokens, name);
}

function matches(tokens: readonly Token[], name: string): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted === any) {
      star = token;
      starAt = at;
      token += 1;
    } else if (wanted !== undefined && accepts(wanted, pointAt(name, at))) {
      token += 1;
      at = after(name, at);
    } else {
      if (star < 0) return false;
      starAt = after(name, starAt);
      at = starAt;
      token = star + 1;
    }
  }
  while (tokens[token] === any) token += 1;
  return token === tokens.length;
}

function accepts({ negated, ranges }: Choice, point: number): boolean {
  for (const [low, high] of ranges) if (point >= low && point <= high) return !negated;
  return negated;
}

const pointAt = (text: string, at: number) => text.codePointAt(at) ?? 0;
const after = (text: string, at: number) => at + (pointAt(text, at) > 0xffff ? 2 : 1);
const just = (point: number): Choice => ({ negated: false, ranges: [[point, point]] });
const isOnly = ({ negated, ranges }: Choice, point: number) =>
  !negated && ranges.length === 1 && ranges[0]?.[0] === point && ranges[0][1] === point;

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; ) {
    const char = pattern[at];
    const choice = char === '[' ? choiceAt(pattern, at) : undefined;
    if (choice !== undefined) {
      tokens.push(choice.token);
      at = choice.end;
    } else if (char === '*') {
      if (tokens.at(-1) !== any) tokens.push(any);
      at += 1;
    } else if (char === '?') {
      tokens.push({ negated: true, ranges: [] });
      at += 1;
    } else {
      if (char === '\\' && at + 1 < pattern.length) at += 1;
      tokens.push(just(pointAt(pattern, at)));
      at = after(pattern, at);
    }
  }
  return tokens;
}

/** `[abc]`, `[a-z]`, `[!a]` and `[^a]`; a `]` at its beginning is one of its characters. Undefined where it has no end. */
function choiceAt(pattern: string, from: number): { token: Choice; end: number } | undefined {
  const negated = pattern[from + 1] === '!' || pattern[from + 1] === '^';
  const start = from + (negated ? 2 : 1);
  const ranges: Array<[number, number]> = [];
  for (let at = start; at < pattern.length; ) {
    if (pattern[at] === ']' && at > start) return { token: { negated, ranges }, end: at + 1 };
    const low = escaped(pattern, at);
    at = after(pattern, low);
    if (pattern[at] === '-' && at + 1 < pattern.length && pattern[at + 1] !== ']') {
      const high = escaped(pattern, at + 1);
      ranges.push([pointAt(pattern, low), pointAt(pattern, high)]);
      at = after(pattern, high);
    } else ranges.push([pointAt(pattern, low), pointAt(pattern, low)]);
  }
  return undefined;
}

const escaped = (pattern: string, at: number) => (pattern[at] === '\\' && at + 1 < pattern.length ? at + 1 : at);
