import type { WorkerStatus } from '@ritmo/protocol';

/** What the agent is told by its worker. */
export interface WorkerListener {
  /** What heartbeats say. */
  readonly state: () => WorkerStatus['state'];
  /** The server's wish for the whole worker. */
  readonly command: (command: 'pause' | 'resume' | 'drain') => void;
  /** A loop ended with an error that ends the agent. */
  readonly broken: (error: Error) => void;
}
