import type { WorkerStatus } from '@ritmo/protocol';
import type { CancelCause } from '../executor/request.js';
import type { Lease } from '../transport/transport.js';

/** Work whose lease this agent holds: heartbeats name it, and the server may end it. */
export interface Held {
  readonly lease: Lease;
  readonly job: { readonly onLost: 'fail' | 'requeue' };
  readonly status: WorkerStatus['running'][number];
  cancel(cause: CancelCause): void;
  abandon(cause: CancelCause): void;
  fence(): void;
}
