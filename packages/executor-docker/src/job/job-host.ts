import type { Clock, ImageRequest, Logger, SandboxRequest } from '@ritmo/agent-core/executor';
import type { DaemonInfo, DockerClient } from '../docker/client.js';
import type { Images } from '../image/images.js';
import type { Networks } from '../network/networks.js';
import type { ResolvedOptions } from '../options.js';
import type { DiskKind } from './disk.js';
import type { HostTools } from './host-tools.js';
import type { JobUsers } from './users.js';

/** What all jobs of an executor share. */
export interface JobHost {
  readonly docker: DockerClient;
  readonly engine: DaemonInfo['engine'];
  readonly clock: Clock;
  readonly log: Logger;
  readonly options: ResolvedOptions;
  readonly ownerId: string;
  readonly images: Images;
  readonly users: JobUsers;
  readonly tools: HostTools;
  readonly diskKind: DiskKind;
  /** Undefined where no rule can be set: jobs are then without a network, or with the host's. */
  readonly networks: Networks | undefined;
  readonly imageOf: ImageOf;
}

/** The image that a request means: its own, or the operator's default. Throws RITMO_IMAGE_INVALID without either. */
export type ImageOf = (request: SandboxRequest) => ImageRequest;
