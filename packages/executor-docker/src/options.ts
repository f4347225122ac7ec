import { normalize } from 'node:path';
import { z } from 'zod';

const absolutePath = z
  .string()
  .refine((path) => path.startsWith('/') && !/[\0:]/.test(path) && normalize(path) === path && path !== '/', {
    error: 'must be an absolute, normalised path without a colon, other than /',
  });

const reserved = ['/proc', '/sys', '/dev', '/run/ritmo', '/workspace'];
const socketNames = /\/(docker|podman|containerd|crio)\.sock$/;

const bind = z
  .strictObject({
    /** Path on the worker. */
    source: absolutePath.refine((path) => !socketNames.test(path), {
      error: 'is the socket of a container engine: whoever has it is root on the worker',
    }),
    /** Path in the container; the same where absent. */
    target: absolutePath.optional(),
    access: z.enum(['read-only', 'read-write']).default('read-only'),
  })
  .refine(
    ({ source, target = source }) =>
      !reserved.some((folder) => target === folder || (folder !== '/workspace' && target.startsWith(`${folder}/`))),
    { error: `the target lies in a folder that builds need: ${reserved.join(', ')}`, path: ['target'] },
  );

const cidr = z.string().regex(/^(\d{1,3}\.){3}\d{1,3}\/(8|9|1\d|2[0-2])$/, {
  error: 'must be an IPv4 range of /22 or more, as 10.231.0.0/16',
});

/** What the operator sets: `--executor-options '{"docker": {…}}'`. */
export const optionsSchema = z.strictObject({
  /** `unix:///path`, `tcp://host:port`; by default DOCKER_HOST, then the sockets that are usual. */
  address: z.string().optional(),
  /**
   * `fifo`: over FIFOs in folders that daemon and agent share. `remote`: over the daemon's API alone. By default the first
   * that works, found by trying.
   */
  way: z.enum(['fifo', 'remote']).optional(),
  /** Image of jobs that name none; such jobs are refused where absent. */
  defaultImage: z.string().min(1).optional(),
  /** Globs over full image names (`docker.io/library/node:22`); a job that names another is refused. */
  allowedImages: z.array(z.string().min(1)).default(['**']),
  /** Whether jobs may ask for `network: host`. */
  allowHostNetwork: z.boolean().default(false),
  /** What every job sees of the worker, beside its own folders. */
  binds: z.array(bind).default([]),
  /** Where networks of jobs get their addresses from. */
  addressRange: cidr.default('10.231.0.0/16'),
  /** Processes and threads of a job that sets no limit. */
  defaultPids: z.int().positive().default(4096),
  /** Size of /tmp under the profile hardened, in bytes, where the job says nothing. */
  hardenedTmpBytes: z
    .int()
    .positive()
    .default(512 * 2 ** 20),
  /** Reads credentials of registries: `config.json` of this folder; by default DOCKER_CONFIG, then ~/.docker. */
  configFolder: absolutePath.optional(),
  /** A pull that makes no progress for so long is given up, in milliseconds. */
  pullIdleMs: z.int().positive().default(120_000),
  /** How often strays of this installation are looked for, in milliseconds; one that is seen twice is removed. */
  sweepMs: z.int().positive().default(300_000),
  /**
   * How a limit of disk is held: by a file system of that size where the agent may mount one, else by counting again and
   * again (`watch`: by counting always).
   */
  diskLimit: z.enum(['auto', 'watch']).default('auto'),
  /** Where workspaces lie; by default in the state directory. */
  workspaceRoot: absolutePath.optional(),
  /** First of the users that hardened jobs run as, where the agent is root. */
  uidBase: z.int().min(1_000).max(2_000_000_000).default(240_000),
});

/** What an operator writes. */
export type DockerExecutorOptions = z.input<typeof optionsSchema>;
export type ResolvedOptions = z.output<typeof optionsSchema>;
