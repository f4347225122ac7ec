import { normalize } from 'node:path';
import { z } from 'zod';

const absolutePath = z
  .string()
  .refine((path) => path.startsWith('/') && !/[\0,:\n]/.test(path) && normalize(path) === path && path !== '/', {
    error: 'must be an absolute, normalised path without a comma or colon, other than /',
  });

const mebibyte = 1024 * 1024;
const bytes = z
  .int()
  .min(64 * mebibyte)
  .max(16 * 1024 * 1024 * mebibyte);

/** What a name under `image:` of a job stands for, without a Docker daemon: exactly one of the sources. */
const source = z
  .strictObject({
    /** A tar archive of a root filesystem, as `docker export` writes it; may be packed by gzip, xz or zstd. */
    tar: absolutePath.optional(),
    /** A folder that holds a root filesystem. */
    folder: absolutePath.optional(),
    /** An image of a disk that holds ext4 or squashfs without a table of partitions; never written to. */
    disk: absolutePath.optional(),
    /** Of `disk`; never guessed. */
    format: z.enum(['raw', 'qcow2']).optional(),
    /** Who steps run as: a name or number, with a group after a colon. Of a tar or folder, looked up in its passwd. */
    user: z
      .string()
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/)
      .optional(),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).optional(),
  })
  .refine(({ tar, folder, disk }) => [tar, folder, disk].filter(Boolean).length === 1, {
    error: 'must name exactly one of tar, folder and disk',
  })
  .refine(({ disk, format }) => (disk === undefined) === (format === undefined), {
    error: 'a disk needs its format, and nothing else has one',
  });

const socketAddress = /^unix:\/\/\/./;

function usualDocker(): string {
  const { DOCKER_HOST = '' } = process.env;
  return socketAddress.test(DOCKER_HOST) ? DOCKER_HOST : 'unix:///var/run/docker.sock';
}

/** Options of the VM executor: the operator's policy. */
export const optionsSchema = z.strictObject({
  /** `auto` takes KVM where guests really run with it, and emulation elsewhere. */
  accelerator: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  /** A folder with an unpacked kernel package, or an image and its modules; found where absent. */
  kernel: z.union([absolutePath, z.strictObject({ image: absolutePath, modules: absolutePath })]).optional(),
  /** What jobs may name besides images of the Docker daemon, by the name that they write. */
  images: z.record(z.string().min(1), source).default({}),
  /** Where images that `images` does not name come from; `none` for nowhere. A socket that DOCKER_HOST names by default. */
  docker: z.union([z.literal('none'), z.string().regex(socketAddress)]).default(usualDocker),
  /** For jobs that name no image. */
  defaultImage: z.string().min(1).optional(),
  /** Globs over image names as jobs write them; everything is allowed where absent. */
  allowedImages: z.array(z.string().min(1)).optional(),
  /** Of a machine whose job says nothing. */
  memoryBytes: bytes.default(1024 * mebibyte),
  cpus: z.int().min(1).max(64).default(1),
  diskBytes: bytes.default(10 * 1024 * mebibyte),
  pids: z.int().min(16).max(100_000).default(4_096),
  /** Machines that wait, ready, for a job like the last one; each takes memory while it waits. */
  warmMachines: z.int().min(0).max(64).default(0),
  /** How long a machine may take to boot; emulated on a busy host it is many seconds. */
  bootTimeoutMs: z.int().min(1_000).max(600_000).default(120_000),
  /**
   * Kernel, templates and root filesystems, shared by all agents of a user: /var/cache/ritmo-agent/vm for root, else
   * below the user's cache folder.
   */
  cacheDir: absolutePath.optional(),
  /** Beyond this, root filesystems that were not used for longest go. */
  maxCacheBytes: bytes.default(20 * 1024 * mebibyte),
  /** As root, each machine runs as a user and group of its own out of the 1,000 from here on. */
  uidBase: z.int().min(1_000).max(2_000_000_000).default(80_000),
  /** Where workspaces and disks lie; the executor's state folder where absent. */
  workspaceRoot: absolutePath.optional(),
});

/** What an operator writes. */
export type VmExecutorOptions = z.input<typeof optionsSchema>;

/** Options with their defaults. */
export type ResolvedOptions = z.output<typeof optionsSchema>;

export type ImageSource = z.output<typeof source>;
