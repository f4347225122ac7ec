import { displayText, labels as labelsSchema, shortName } from '@ritmo/protocol';
import { z } from 'zod';
import type { ArtifactStore } from '../artifact/store.js';
import { RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import type { ExecutorBinding } from '../executor/plugin.js';
import type { ResourceLimits } from '../executor/request.js';
import type { SecretProvider, SecretSource } from '../secrets/provider.js';
import type { Transport } from '../transport/transport.js';

export interface AgentOptions {
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
  /** Folder for the journal, spools and workspaces; one agent at a time. */
  readonly stateDir: string;
  readonly policy?: AgentPolicy;
  /** Values of this worker for jobs that name them; what comes with a job wins. Default: none. */
  readonly secrets?: SecretSource;
  readonly shutdown?: {
    /** How long `drain` lets builds run, in milliseconds. Default: without end. */
    readonly drainMs?: number;
    /** Between stop signal and kill when builds are cancelled by `stop`. Default: the grace of the job. */
    readonly graceMs?: number;
  };
  /** Default: silent. */
  readonly log?: Logger;
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
  readonly maxArtifactBytes?: number;
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
  const { transport, artifacts, log, clock, version, ...plain } = options;
  const result = checked.safeParse(plain);
  const problems = result.success
    ? []
    : result.error.issues.map((issue) => `${issue.path.map(String).join('.') || 'options'}: ${issue.message}`);
  if (typeof transport?.register !== 'function') problems.push('transport: is no transport');
  const names = (options.executors ?? []).map((executor) => executor.name);
  for (const name of names) {
    if (!shortName.safeParse(name).success) problems.push(`executors: ${JSON.stringify(name)} is no name`);
  }
  if (new Set(names).size !== names.length) problems.push('executors: two have the same name');
  if (!result.success || problems.length > 0) {
    throw new RitmoError('RITMO_USAGE', `The options of the agent are wrong: ${problems.join('; ')}.`);
  }
  return { ...result.data, transport, artifacts, log, clock, version };
}

export type CheckedOptions = ReturnType<typeof checkOptions>;
