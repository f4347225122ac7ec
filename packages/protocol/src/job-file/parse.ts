import { type Job, jobSchema } from '../job.js';
import { durationWords, sizeWords } from '../words.js';
import type { FileProblem } from './problem.js';
import { parseYamlFile } from './yaml-file.js';

/** One mistake in a job file. */
export type JobProblem = FileProblem;

/** A job, or everything that is wrong with its file, in the order of its lines. */
export type JobFileResult =
  | { readonly ok: true; readonly job: Job }
  | { readonly ok: false; readonly problems: readonly JobProblem[] };

/** The job as a person writes it: durations and sizes in words, an image or a secret by its name alone. */
export const jobFileSchema = jobSchema({ duration: durationWords, size: sizeWords, imageShorthand: true });

/**
 * Reads a job file, YAML or JSON, up to 1 MiB. All mistakes are found at once, up to 100 of them.
 * @param name the job's name where the file gives none
 */
export function parseJobFile(text: string, name?: string): JobFileResult {
  const result = parseYamlFile(text, jobFileSchema, (value) => withName(value, name));
  return result.ok ? { ok: true, job: result.value } : result;
}

function withName(value: unknown, name: string | undefined): unknown {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMap && name !== undefined && !('name' in value) ? { ...value, name } : value;
}
