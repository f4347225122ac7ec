import { basename, dirname, extname, resolve } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { formatProblems, type Job, parseJobFile, secretName, secretNamesOf } from '@ritmo/protocol';
import { readText } from './read-text.js';

/**
 * Reads a job file; `-` is stdin. A job without a name takes that of its file.
 * @throws RITMO_JOB_INVALID with every mistake and its line, RITMO_USAGE where the file cannot be read
 */
export async function readJob(path: string): Promise<Job> {
  const isStdin = path === '-';
  const text = isStdin ? await readStdin() : await readText(path, 'job file');
  const result = parseJobFile(text, isStdin ? 'stdin' : basename(path, extname(path)));
  if (result.ok) return result.job;
  const count = result.problems.length === 1 ? 'a mistake' : `${result.problems.length} mistakes`;
  const shown = formatProblems(result.problems, isStdin ? 'stdin' : path);
  throw new RitmoError('RITMO_JOB_INVALID', `The job file has ${count}:\n${shown}`, {
    hint: 'Nothing was run.',
  });
}

/** The job with a relative path in `source.git` counted from the folder of its file; stdin counts from here. */
export function withLocalSource(job: Job, path: string): Job {
  const git = job.source?.git;
  if (job.source === undefined || git === undefined || /^[^/]*:/.test(git)) return job;
  return { ...job, source: { ...job.source, git: resolve(path === '-' ? '.' : dirname(path), git) } };
}

export interface SecretSettings {
  /** Names whose values stand in the environment. */
  readonly secret: readonly string[];
  /** Paths of files by name. */
  readonly secretFile: Readonly<Record<string, string>>;
}

/**
 * Values of the secrets of a job that were given.
 * @throws RITMO_USAGE for those that the job does not want
 */
export async function readSecrets(
  job: Job,
  { secret, secretFile }: SecretSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Readonly<Record<string, string>>> {
  const values: Record<string, string> = {};
  for (const name of secret) {
    const value = env[checked(name)];
    if (value === undefined)
      throw new RitmoError('RITMO_USAGE', `--secret ${name}: there is no variable ${name} in the environment.`);
    values[name] = value;
  }
  for (const [name, path] of Object.entries(secretFile))
    values[checked(name)] = await readText(path, `file of the secret ${name},`);
  const wanted = secretNamesOf(job);
  const unwanted = Object.keys(values).filter((name) => !wanted.has(name));
  if (unwanted.length > 0)
    throw new RitmoError('RITMO_USAGE', `The job does not name the secrets ${unwanted.join(', ')}.`, {
      hint: 'List them under `secrets:` in the job file, or leave them out.',
    });
  return values;
}

/** Names of secrets that the job wants and that have no value. */
export function missingSecrets(job: Job, values: Readonly<Record<string, string>>): readonly string[] {
  return [...secretNamesOf(job)].filter((name) => values[name] === undefined);
}

/** @throws RITMO_SECRET_MISSING for those that the job wants and that were not given */
export function requireSecrets(job: Job, values: Readonly<Record<string, string>>): void {
  const missing = missingSecrets(job, values);
  if (missing.length > 0)
    throw new RitmoError('RITMO_SECRET_MISSING', `The job needs secrets that were not given: ${missing.join(', ')}.`, {
      hint: `Give each with --secret NAME (from the environment) or --secret-file NAME=PATH.`,
    });
}

function checked(name: string): string {
  if (!secretName.safeParse(name).success)
    // What follows a `=` is a value that stood on the command line by mistake, and is not shown once more.
    throw new RitmoError(
      'RITMO_USAGE',
      `${JSON.stringify(name.split('=')[0])}${name.includes('=') ? '=…' : ''} cannot be the name of a secret.`,
      {
        hint: 'Names are letters, digits and underscores, and do not begin with RITMO_; --secret takes a name alone, its value comes from the variable.',
      },
    );
  return name;
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
