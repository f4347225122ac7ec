import type { Job, LogNoteLevel } from '@ritmo/protocol';
import { type StoredArtifacts, storeArtifacts } from '../artifact/index.js';
import type { JsonStore } from '../artifact/store.js';
import { RitmoError } from '../errors.js';
import type { Sandbox } from '../executor/sandbox.js';
import type { Lease } from '../transport/transport.js';
import type { BuildContext } from './context.js';

const defaultMaxFiles = 100_000;
const defaultMaxBytes = 10 * 1024 ** 3;

export interface CollectParts {
  readonly context: BuildContext;
  readonly job: Pick<Job, 'artifacts'>;
  readonly lease: Lease;
  /** Whose artifacts they are, as the server says. */
  readonly project?: string | undefined;
  readonly succeeded: boolean;
  readonly sandbox: Pick<Sandbox, 'collect' | 'gather'>;
  readonly resume: JsonStore;
  readonly note: (level: LogNoteLevel, text: string) => void;
  readonly mask: (text: string) => string;
  readonly signal: AbortSignal;
}

/**
 * Collects the artifacts of an ended build into the store of this worker.
 * @throws RITMO_ARTIFACT_UPLOAD where there is none.
 */
export async function collectArtifacts(parts: CollectParts): Promise<StoredArtifacts> {
  const { context, lease, project, ...rest } = parts;
  const { artifacts: store, policy, state, emit, clock } = context;
  if (!store) {
    throw new RitmoError('RITMO_ARTIFACT_UPLOAD', 'The job has artifacts, and this worker has no store for them.', {
      hint: 'Give the agent an artifact store.',
      retryable: false,
    });
  }
  return storeArtifacts({
    ...rest,
    session: await store.open(lease, parts.resume, project),
    stagingDir: state.stagingDir,
    limits: {
      maxFiles: policy.maxArtifactFiles ?? defaultMaxFiles,
      maxBytes: policy.maxArtifactBytes ?? defaultMaxBytes,
    },
    monotonic: () => clock.monotonic(),
    ...(context.listens('artifact:progress') && {
      progress: (progress) => emit('artifact:progress', { jobId: lease.jobId, ...progress }),
    }),
    stored: (ref) => emit('artifact:stored', { jobId: lease.jobId, ref }),
  });
}
