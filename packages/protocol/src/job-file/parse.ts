import type { LineCounter } from 'yaml';
import { type Job, jobSchema } from '../job.js';
import { durationWords, sizeWords } from '../words.js';
import { composeBounded, type Mistake } from './bounded-yaml.js';
import { forbiddenKeys, inspect } from './inspect.js';
import { describeIssue, findingsOf } from './issues.js';
import { offsetOf } from './locate.js';
import { type JobProblem, type Path, showPath } from './problem.js';
import { keyIndex } from './schema-keys.js';

/** A job, or everything that is wrong with its file, in the order of its lines. */
export type JobFileResult =
  | { readonly ok: true; readonly job: Job }
  | { readonly ok: false; readonly problems: readonly JobProblem[] };

/** The job as a person writes it: durations and sizes in words, an image or a secret by its name alone. */
export const jobFileSchema = jobSchema({ duration: durationWords, size: sizeWords, imageShorthand: true });

/**
 * Reads a job file, YAML or JSON, up to 1 MiB. All mistakes are found at once.
 * @param name the job's name where the file gives none
 */
export function parseJobFile(text: string, name?: string): JobFileResult {
  const { document, lines, broken } = composeBounded(text);
  if (document === undefined || broken.length > 0) return fail(broken.map((mistake) => placed(lines, mistake)));

  const { mistakes, readable } = inspect(document);
  const problems = mistakes.map((mistake) => placed(lines, mistake));
  if (!readable) return fail(problems);

  // `inspect` has bounded what the aliases grow to.
  const value = withName(document.toJS({ maxAliasCount: -1 }), name);
  const result = jobFileSchema.safeParse(value, { error: describeIssue });
  if (result.success && problems.length === 0) return { ok: true, job: result.data };
  const findings = result.success ? [] : findingsOf(result.error.issues, value, keyIndex(jobFileSchema));
  for (const { path, key, ...rest } of findings.filter(({ path, key }) => !key || !forbiddenKeys.includes(path.at(-1))))
    problems.push(placed(lines, { ...rest, offset: offsetOf(document, path, key) }, path));
  return fail(problems);
}

/** In the order of the lines, and one for each place: what follows from the first is noise. */
function fail(problems: readonly JobProblem[]): JobFileResult {
  const places = new Map<string, JobProblem>();
  for (const problem of problems) {
    const place = `${problem.line}:${problem.column}:${problem.path}`;
    if (!places.has(place)) places.set(place, problem);
  }
  return { ok: false, problems: [...places.values()].toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

function withName(value: unknown, name: string | undefined): unknown {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMap && name !== undefined && !('name' in value) ? { ...value, name } : value;
}

function placed(lines: LineCounter, { offset, ...rest }: Mistake, path: Path = []): JobProblem {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col), path: showPath(path), ...rest };
}
