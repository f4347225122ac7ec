import { z } from 'zod';

/** What an operator may set: `--executor-options 'rootfs={"rootfs": "/srv/debian"}'`. */
export const optionsSchema = z.strictObject({
  /** Folder of the host with an unpacked root file system, as debootstrap or `docker export` make it. */
  rootfs: z.string().startsWith('/', { error: 'must be an absolute path' }),
  /** User and group of the steps where the agent runs as root; otherwise steps run as the agent's own user. */
  uid: z.int().min(1).max(2_000_000_000).default(80_000),
  /** Whether jobs may ask for `network: host`; otherwise they have none. */
  allowHostNetwork: z.boolean().default(false),
});

export type RootfsOptions = z.output<typeof optionsSchema>;
