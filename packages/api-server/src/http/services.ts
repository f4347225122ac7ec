import type { Artifacts } from '../artifacts/artifacts.js';
import type { BlobStore } from '../artifacts/blob-store.js';
import type { Claims } from '../jobs/claims.js';
import type { LeaseTable } from '../jobs/leases.js';
import type { JobLifecycle } from '../jobs/lifecycle.js';
import type { JobQueue } from '../jobs/queue.js';
import type { LogStore } from '../logs/log-store.js';
import type { LogReader } from '../logs/reader.js';
import type { Metrics } from '../metrics.js';
import type { Settings } from '../options.js';
import type { ArtifactStore } from '../store/artifacts.js';
import type { AttemptStore } from '../store/attempts.js';
import type { Database } from '../store/database.js';
import type { JobStore } from '../store/jobs.js';
import type { SecretStore } from '../store/secrets.js';
import type { TokenStore } from '../store/tokens.js';
import type { WorkerDirectory } from '../workers/directory.js';
import type { WorkerEvents } from '../workers/events.js';
import type { WorkerRegistry } from '../workers/registry.js';

/** What the calls of the API stand on. */
export interface Services {
  readonly settings: Settings;
  readonly db: Database;
  readonly jobs: JobStore;
  readonly attempts: AttemptStore;
  readonly tokens: TokenStore;
  readonly secrets: SecretStore;
  readonly artifactRows: ArtifactStore;
  readonly artifacts: Artifacts;
  readonly blobs: BlobStore;
  readonly logs: LogStore;
  readonly logReader: LogReader;
  readonly queue: JobQueue;
  readonly leases: LeaseTable;
  readonly lifecycle: JobLifecycle;
  readonly claims: Claims;
  readonly directory: WorkerDirectory;
  readonly registry: WorkerRegistry;
  readonly events: WorkerEvents;
  readonly metrics: Metrics;
  /** The OpenAPI document as text. */
  readonly openApi: string;
  /** Aborted when the server closes: streams end. */
  readonly closing: AbortSignal;
}
