import { displayText, labels as labelsSchema, shortName } from '@ritmo/protocol';
import { z } from 'zod';
import type { ArtifactStore } from '../artifact/store.js';
import type { CacheStore } from '../cache/store.js';
import { RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import type { ExecutorBinding } from '../executor/plugin.js';
import type { ResourceLimits } from '../executor/request.js';
import { isLogger } from '../logger.js';
import type { SecretProvider, SecretSource } from '../secrets/provider.js';
import type { Transport } from '../transport/transport.js';

/** What an agent is made of. Checked as a whole by the constructor. */
export interface AgentOptions {
  /** Where jobs come from, and where logs and results go. */
  readonly transport: Transport;
  /** At least one; the first is the default; a job may name another of them. */
  readonly executors: readonly ExecutorBinding[];
  /** Name of the worker; by default the host's name and a few characters that stay with the state directory. */
  readonly name?: string;
  /** Which jobs it takes: all labels of a job must be here. Default: none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Builds at once, 1 to 10,000. Default: 2. */
  readonly maxConcurrent?: number;
  /** Where artifacts go. Default: the API server, where the transport takes them. */
  readonly artifacts?: ArtifactStore;
  /** Where caches of jobs are kept. Default: nowhere, which the log of a job that has some says. */
  readonly caches?: CacheStore;
  /** Folder for the journal, spools and workspaces; one agent at a time. */
  readonly stateDir: string;
  /** What no job may go beyond. Default: everything but local sources. */
  readonly policy?: AgentPolicy;
  /** Values of this worker for jobs that name them; what comes with a job wins. Default: none. */
  readonly secrets?: SecretSource;
  /** How builds are ended. Default: they may take as long as they want. */
  readonly shutdown?: {
    /** How long `drain` lets builds run, in milliseconds. Default: without end. */
    readonly drainMs?: number;
    /** Between stop signal and kill when builds are cancelled by `stop`. Default: the grace of the job. */
    readonly graceMs?: number;
  };
  /** Ends by itself, for autoscalers; by default it does not. */
  readonly until?: {
    /** Takes so many jobs in all, and drains when they have ended. */
    readonly jobs?: number;
    /** Drains after so many milliseconds without a build. */
    readonly idleMs?: number;
  };
  /** When the worker takes no jobs. */
  readonly health?: {
    /** No jobs are claimed while less is free where the state directory lies. Default: 1 GiB. */
    readonly minFreeDiskBytes?: number;
    /** How often the disk is looked at, in milliseconds. Default: 5 s. */
    readonly diskMs?: number;
    /** How often the executors are asked whether they work, in milliseconds. Default: 30 s. */
    readonly probeMs?: number;
  };
  /** Default: silent. */
  readonly log?: Logger;
  /** The system's by default; for tests. */
  readonly clock?: Clock;
  /** What the worker says of its version. Default: that of this package. */
  readonly version?: string;
}

/** What the operator allows, whatever a job asks: checked before anything is created. */
export interface AgentPolicy {
  /** Globs over image references; absent: every image. */
  readonly allowedImages?: readonly string[];
  /** A job that asks for more is refused. */
  readonly maxLimits?: ResourceLimits;
  /** For jobs that ask for nothing. */
  readonly defaultLimits?: ResourceLimits;
  /** Whether `source.git` may be a path of this host or a file:// URL. Default: false. */
  readonly allowLocalSources?: boolean;
  /** PEM file with certificate authorities for https sources, beside the host's own. */
  readonly sourceCaFile?: string;
  /** Host keys for ssh sources, in the form of OpenSSH's known_hosts. */
  readonly sourceKnownHostsFile?: string;
  /** Bytes of log kept for one build. Default: 256 MiB. */
  readonly maxLogBytes?: number;
  /** While less is free where the state directory lies, logs are cut as if they were at their limit. Default: 0. */
  readonly minFreeDiskBytes?: number;
  /** Default: 100,000 files and 10 GiB. */
  readonly maxArtifactFiles?: number;
  /** Of all artifacts of a job together. */
  readonly maxArtifactBytes?: number;
  /** Of one cache, unpacked. Default: 1,000,000 files and 10 GiB. */
  readonly maxCacheFiles?: number;
  /** Of one cache, unpacked, in bytes. */
  readonly maxCacheBytes?: number;
}

const milliseconds = z.number().nonnegative();
const bytes = z.int().positive();
const limits = z
  .strictObject({
    cpus: z.number().positive(),
    memoryBytes: bytes,
    pids: bytes,
    diskBytes: bytes,
    tmpBytes: bytes,
    shmBytes: bytes,
  })
  .partial();

const checked = z.strictObject({
  name: displayText(128).optional(),
  labels: labelsSchema.default({}),
  maxConcurrent: z.int().min(1).max(10_000).default(2),
  stateDir: z.string().min(1),
  policy: z
    .strictObject({
      allowedImages: z.array(z.string()),
      maxLimits: limits,
      defaultLimits: limits,
      allowLocalSources: z.boolean(),
      sourceCaFile: z.string(),
      sourceKnownHostsFile: z.string(),
      maxLogBytes: z.int().min(1_048_576),
      minFreeDiskBytes: z.int().nonnegative(),
      maxArtifactFiles: bytes,
      maxArtifactBytes: bytes,
      maxCacheFiles: bytes,
      maxCacheBytes: bytes,
    })
    .partial()
    .default({}),
  secrets: z
    .strictObject({
      providers: z.array(
        z.custom<SecretProvider>((value) => typeof (value as SecretProvider)?.get === 'function', 'is no provider'),
      ),
      allow: z.array(z.string().regex(/^[A-Za-z0-9_*]+$/, 'must be a name, in which * stands for any characters')),
    })
    .default({ providers: [], allow: [] }),
  shutdown: z.strictObject({ drainMs: milliseconds, graceMs: milliseconds }).partial().default({}),
  until: z.strictObject({ jobs: z.int().positive(), idleMs: milliseconds }).partial().default({}),
  health: z
    .strictObject({
      minFreeDiskBytes: z
        .int()
        .nonnegative()
        .default(1024 ** 3),
      diskMs: z.number().positive().default(5_000),
      probeMs: z.number().positive().default(30_000),
    })
    .prefault({}),
  executors: z
    .array(
      z.custom<ExecutorBinding>(
        (value) => typeof (value as ExecutorBinding)?.open === 'function',
        'is no executor binding',
      ),
    )
    .min(1, 'must name at least one executor'),
});

/**
 * The options with their defaults.
 * @throws RITMO_USAGE with everything that is wrong with them.
 */
export function checkOptions(options: AgentOptions) {
  if (typeof options !== 'object' || options === null) throw wrong('options of the agent', ['there are none']);
  const { transport, artifacts, caches, log, clock, version, ...plain } = options;
  const result = checked.safeParse(plain);
  const problems = result.success ? [] : problemsOf(result.error);
  if (typeof transport?.register !== 'function') problems.push('transport: is no transport');
  if (artifacts !== undefined && typeof artifacts?.open !== 'function') problems.push('artifacts: is no store');
  if (caches !== undefined && typeof caches?.find !== 'function') problems.push('caches: is no store');
  if (log !== undefined && !isLogger(log)) problems.push('log: lacks one of child, debug, info, warn, error');
  const names = (result.data?.executors ?? []).map((executor) => executor.name);
  for (const name of names) {
    if (!shortName.safeParse(name).success) problems.push(`executors: ${JSON.stringify(name)} is no name`);
  }
  if (new Set(names).size !== names.length) problems.push('executors: two have the same name');
  if (!result.success || problems.length > 0) {
    throw wrong('options of the agent', problems);
  }
  return { ...result.data, transport, artifacts, caches, log, clock, version };
}

const patch = z.strictObject({
  labels: labelsSchema.optional(),
  maxConcurrent: z.int().min(1).max(10_000).optional(),
});

/** What can be changed while an agent runs. */
export interface AgentPatch {
  /** Instead of those before. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Builds at once; those that run go on. */
  readonly maxConcurrent?: number;
}

/** @throws RITMO_USAGE with everything that is wrong with the change. */
export function checkPatch(value: AgentPatch): AgentPatch {
  const result = patch.safeParse(value);
  if (!result.success) throw wrong('change of the agent', problemsOf(result.error));
  const { labels, maxConcurrent } = result.data;
  return { ...(labels && { labels }), ...(maxConcurrent !== undefined && { maxConcurrent }) };
}

export type CheckedOptions = ReturnType<typeof checkOptions>;

/** @throws RITMO_USAGE for a deadline that is no number of milliseconds. */
export function checkDeadline(options: { readonly deadlineMs?: number }): void {
  const result = z.strictObject({ deadlineMs: milliseconds.optional() }).safeParse(options);
  if (!result.success) throw wrong('options of drain()', problemsOf(result.error));
}

function problemsOf(error: z.ZodError): string[] {
  return error.issues.map((issue) => `${issue.path.map(String).join('.') || 'options'}: ${issue.message}`);
}

function wrong(what: string, problems: readonly string[]): RitmoError {
  const verb = what.startsWith('change') ? 'is' : 'are';
  return new RitmoError('RITMO_USAGE', `The ${what} ${verb} wrong: ${problems.join('; ')}.`, {
    hint: 'The types of @ritmo/agent-core say what each may be.',
  });
}
