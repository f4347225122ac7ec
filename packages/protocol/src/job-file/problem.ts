/** One mistake in a file of ours. Lines and columns count from 1. */
export interface FileProblem {
  readonly line: number;
  readonly column: number;
  /** Where in the file's value: `steps[0].timeout`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong, in one sentence without its place. */
  readonly message: string;
  /** What to write instead, where that can be told. */
  readonly hint?: string;
}

/** A way into a value: keys and indexes. */
export type Path = ReadonlyArray<string | number>;

/** `steps[0].env.CI`; a key that is no plain name stands in quotes. */
export function showPath(path: Path): string {
  return path.reduce<string>((shown, part) => {
    if (typeof part === 'number') return `${shown}[${part}]`;
    if (!/^[A-Za-z0-9_-]+$/.test(part)) return `${shown}[${JSON.stringify(part)}]`;
    return shown === '' ? part : `${shown}.${part}`;
  }, '');
}

/** One line for each problem, `file:line:column: place: message`, and its hint beneath. */
export function formatProblems(problems: readonly FileProblem[], file: string): string {
  return problems
    .map(({ line, column, path, message, hint }) => {
      const place = path === '' ? '' : `${path}: `;
      return `${file}:${line}:${column}: ${place}${message}${hint === undefined ? '' : `\n    ${hint}`}`;
    })
    .join('\n');
}
