import type { LineCounter } from 'yaml';
import type { z } from 'zod';
import { bounds, composeBounded, type Mistake } from './bounded-yaml.js';
import { forbiddenKeys, inspect } from './inspect.js';
import { describeIssue, findingsOf } from './issues.js';
import { offsetOf } from './locate.js';
import { type FileProblem, type Path, showPath } from './problem.js';
import { keyIndex } from './schema-keys.js';

/** What a file holds, or everything that is wrong with it, in the order of its lines. */
export type FileResult<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/**
 * Reads a YAML or JSON file of up to 1 MiB by a schema. All mistakes are found at once.
 * @param adjust changes the plain value before the schema sees it
 */
export function parseYamlFile<Value>(
  text: string,
  schema: z.ZodType<Value>,
  adjust: (value: unknown) => unknown = (value) => value,
): FileResult<Value> {
  const { document, lines, broken } = composeBounded(text);
  if (document === undefined || broken.length > 0) return fail(broken.map((mistake) => placed(lines, mistake)));

  const { mistakes, readable } = inspect(document);
  const problems = mistakes.slice(0, bounds.problems + 1).map((mistake) => placed(lines, mistake));
  if (!readable) return fail(problems);

  // `inspect` has bounded what the aliases grow to.
  const value = adjust(document.toJS({ maxAliasCount: -1 }));
  const result = schema.safeParse(value, { error: describeIssue });
  if (result.success && problems.length === 0) return { ok: true, value: result.data };
  const findings = result.success ? [] : findingsOf(result.error.issues, value, keyIndex(schema));
  for (const { path, key, ...rest } of findings) {
    if (problems.length > bounds.problems) break;
    if (key && forbiddenKeys.includes(path.at(-1))) continue;
    problems.push(placed(lines, { ...rest, offset: offsetOf(document, path, key) }, path));
  }
  return fail(problems);
}

/** In the order of the lines, and one for each place: what follows from the first is noise. A hundred are enough. */
function fail(problems: readonly FileProblem[]): { readonly ok: false; readonly problems: readonly FileProblem[] } {
  const places = new Map<string, FileProblem>();
  for (const problem of problems) {
    const place = `${problem.line}:${problem.column}:${problem.path}`;
    if (!places.has(place)) places.set(place, problem);
  }
  const sorted = [...places.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
  if (problems.length <= bounds.problems) return { ok: false, problems: sorted };
  const told = sorted.slice(0, bounds.problems);
  const more = { line: 1, column: 1, path: '', message: `has more mistakes than these ${told.length}` };
  return { ok: false, problems: [...told, more] };
}

function placed(lines: LineCounter, { offset, ...rest }: Mistake, path: Path = []): FileProblem {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col), path: showPath(path), ...rest };
}
