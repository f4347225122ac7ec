import { normalize } from 'node:path';
import { z } from 'zod';

const absolutePath = z
  .string()
  .refine((path) => path.startsWith('/') && !path.includes('\0') && normalize(path) === path && path !== '/', {
    error: 'must be an absolute, normalised path other than /',
  });

const reserved = ['/proc', '/dev', '/run/ritmo', '/tmp', '/workspace', '/home/build'];
/** Nothing can be mounted in there either: the kernel's own, and ours. */
const closed = ['/proc/', '/run/ritmo/'];

const bind = z
  .strictObject({
    /** On the host. */
    source: absolutePath,
    /** Inside; may lie in /workspace. The same as `source` where absent. */
    target: absolutePath.optional(),
    access: z.enum(['read-only', 'read-write']).default('read-only'),
  })
  .refine(({ source, target = source }) => !reserved.includes(target), {
    error: `target must not be one of ${reserved.join(', ')}`,
  })
  .refine(({ source, target = source }) => !closed.some((folder) => target.startsWith(folder)), {
    error: `target must not lie in ${closed.join(' or ')}`,
  });

/** Options of the process executor: the operator's policy. */
export const optionsSchema = z.strictObject({
  /** `sandbox` is refused where it cannot be had; `bare` confines next to nothing and is taken by name only. */
  level: z.enum(['sandbox', 'bare']).default('sandbox'),
  /**
   * As root, each job runs as a user and group of its own out of the 1,000 from here on: `uidBase` + slot, or the
   * next that no job, agent or process of the machine uses. The default lies above the users that systemd gives out
   * (65519) and below those set aside for containers (100000).
   */
  uidBase: z.int().min(1_000).max(2_000_000_000).default(70_000),
  binds: z.array(bind).default([]),
  /** Whether a job may ask for `network: host`; otherwise there is only `none`. The bare level has only `host`. */
  allowHostNetwork: z.boolean().default(false),
  /** Folders inside that come first in PATH. They must be below /usr or in a bind. */
  toolPaths: z.array(absolutePath).default([]),
  /**
   * How `limits.disk` is kept: `auto` by a file system of that size, mounted, as root where it can be had, else as
   * `watch`: what is there is counted every second, and the step ended when it is too much.
   */
  diskLimit: z.enum(['auto', 'watch']).default('auto'),
  /** Where workspaces lie; the executor's state folder where absent. */
  workspaceRoot: absolutePath.optional(),
});

/** What an operator writes. */
export type ProcessExecutorOptions = z.input<typeof optionsSchema>;

/** Options with their defaults. */
export type ResolvedOptions = z.output<typeof optionsSchema>;

export type Bind = ResolvedOptions['binds'][number];
