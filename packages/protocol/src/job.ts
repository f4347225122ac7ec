import { z } from 'zod';
import { cacheKeyProblem } from './cache-key.js';
import { displayText, environment, labels, secretName, shortName, workspacePath } from './names.js';

/** How durations and sizes are spelled: words in a job file, integers on the wire. */
export interface Spelling {
  /** Milliseconds. */
  readonly duration: () => z.ZodType<number>;
  /** Bytes. */
  readonly size: () => z.ZodType<number>;
  /** An image: a reference alone where the spelling allows it. */
  readonly imageShorthand: boolean;
}

export const defaults = {
  timeoutMs: 60 * 60_000,
  graceMs: 10_000,
  serviceReadyMs: 60_000,
} as const;

const maxGraceMs = 5 * 60_000;
const pullPolicy = z.enum(['always', 'if-not-present', 'never']);

const atMost = (schema: z.ZodType<number>, max: number, words: string) =>
  schema.refine((value) => value <= max, `must be at most ${words}`);

function imageSchema(spelling: Spelling) {
  const whole = z.strictObject({
    reference: displayText(512),
    pull: z.array(pullPolicy).min(1).max(3).default(['if-not-present']),
    auth: secretName.optional(),
  });
  if (!spelling.imageShorthand) return whole;
  return z
    .union([displayText(512), whole])
    .transform((image) => (typeof image === 'string' ? whole.parse({ reference: image }) : image));
}

function limitsSchema(spelling: Spelling) {
  return z.strictObject({
    cpus: z.number().positive().max(1024).optional(),
    memory: spelling.size().optional(),
    disk: spelling.size().optional(),
    pids: z.int().min(1).max(4_194_304).optional(),
    tmp: spelling.size().optional(),
    shm: spelling.size().optional(),
  });
}

function serviceSchema(spelling: Spelling) {
  return z.strictObject({
    image: imageSchema(spelling),
    env: environment.default({}),
    command: z.array(z.string().max(131_072)).min(1).optional(),
    limits: limitsSchema(spelling).default({}),
    workspace: z.boolean().default(false),
    ready: z
      .strictObject({
        tcp: z.int().min(1).max(65_535).optional(),
        command: z.array(z.string().max(131_072)).min(1).optional(),
        timeout: spelling.duration().default(defaults.serviceReadyMs),
      })
      .optional(),
  });
}

function stepSchema(spelling: Spelling) {
  return z.strictObject({
    name: displayText(255).optional(),
    run: z
      .string()
      .min(1)
      .max(1_048_576)
      .refine((script) => !script.includes('\u0000'), 'a NUL byte is not allowed'),
    shell: z.enum(['sh', 'bash']).default('sh'),
    dir: workspacePath.optional(),
    env: environment.default({}),
    timeout: spelling.duration().optional(),
    when: z.enum(['success', 'failure', 'always']).default('success'),
    continueOnError: z.boolean().default(false),
  });
}

const sourceSchema = z.strictObject({
  git: z
    .string()
    .min(1)
    .max(4096)
    .refine((url) => !url.startsWith('-'), 'must not begin with `-`')
    .refine((url) => !hasCredentials(url), 'must hold no user name or password: name a secret in `credentials`'),
  ref: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._/@+-]*$/, 'is not a branch, tag or commit')
    .refine(
      (ref) => !ref.includes('..') && !ref.endsWith('.lock') && !ref.includes('@{'),
      'is not a branch, tag or commit',
    )
    .optional(),
  depth: z.int().min(1).optional(),
  submodules: z.boolean().default(false),
  credentials: secretName.optional(),
});

function hasCredentials(url: string): boolean {
  try {
    const { username, password, protocol } = new URL(url);
    return password !== '' || (username !== '' && protocol !== 'ssh:');
  } catch {
    return false;
  }
}

const cacheKey = displayText(512).superRefine((key, context) => {
  const message = cacheKeyProblem(key);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const secretEntry = (spelling: Spelling) => {
  const whole = z.strictObject({ name: secretName, as: z.enum(['env', 'file']).default('env') });
  if (!spelling.imageShorthand) return whole;
  return z
    .union([secretName, whole])
    .transform((secret) => (typeof secret === 'string' ? whole.parse({ name: secret }) : secret));
};

/** Two entries of one name would hide each other. Said even where an entry is wrong in another way too. */
function uniqueNames(entries: ReadonlyArray<{ readonly name: string }>, context: z.core.$RefinementCtx) {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const name: unknown = entry?.name;
    if (typeof name !== 'string') continue;
    const message = `${JSON.stringify(name)} is there twice`;
    if (seen.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message });
    seen.add(name);
  }
}
const evenIfWrong = { when: ({ value }: { readonly value: unknown }) => Array.isArray(value) };

/** The job schema in one of its two spellings. Both give the same values: milliseconds and bytes. */
export function jobSchema(spelling: Spelling) {
  return z.strictObject({
    version: z.literal(1).default(1),
    name: displayText(255),
    isolation: shortName.optional(),
    labels: labels.default({}),
    image: imageSchema(spelling).optional(),
    profile: z.enum(['standard', 'hardened']).default('standard'),
    source: sourceSchema.optional(),
    env: environment.default({}),
    secrets: z.array(secretEntry(spelling)).max(500).superRefine(uniqueNames, evenIfWrong).default([]),
    network: z.enum(['isolated', 'none', 'host']).optional(),
    limits: limitsSchema(spelling).default({}),
    timeout: spelling.duration().default(defaults.timeoutMs),
    grace: atMost(spelling.duration(), maxGraceMs, '5m').default(defaults.graceMs),
    onLost: z.enum(['fail', 'requeue']).default('fail'),
    attempts: z.int().min(1).max(100).default(1),
    services: z.record(shortName, serviceSchema(spelling)).default({}),
    caches: z
      .array(
        z.strictObject({
          key: cacheKey,
          fallback: z.array(cacheKey).max(10).default([]),
          paths: z.array(workspacePath).min(1).max(100),
        }),
      )
      .max(50)
      .default([]),
    steps: z.array(stepSchema(spelling)).min(1).max(500),
    artifacts: z
      .array(
        z.strictObject({
          name: shortName,
          paths: z.array(workspacePath).min(1).max(100),
          exclude: z.array(workspacePath).max(100).default([]),
          when: z.enum(['success', 'failure', 'always']).default('success'),
          required: z.boolean().default(false),
          dotfiles: z.boolean().default(false),
          expireIn: spelling.duration().optional(),
        }),
      )
      .max(100)
      .superRefine(uniqueNames, evenIfWrong)
      .default([]),
  });
}

/** The job as the wire carries it. */
export const job = jobSchema({
  duration: () => z.int().positive().max(Number.MAX_SAFE_INTEGER),
  size: () => z.int().positive().max(Number.MAX_SAFE_INTEGER),
  imageShorthand: false,
});
export type Job = z.output<typeof job>;
export type JobInput = z.input<typeof job>;
export type JobStep = Job['steps'][number];
export type JobArtifact = Job['artifacts'][number];
export type JobCache = Job['caches'][number];
export type JobSource = NonNullable<Job['source']>;
export type JobLimits = Job['limits'];

/** Names of all secrets that a job mentions anywhere; a server delivers these and no others. */
export function secretNamesOf(job: Job): ReadonlySet<string> {
  const names = new Set(job.secrets.map((secret) => secret.name));
  if (job.source?.credentials) names.add(job.source.credentials);
  if (job.image?.auth) names.add(job.image.auth);
  for (const service of Object.values(job.services)) if (service.image.auth) names.add(service.image.auth);
  return names;
}
