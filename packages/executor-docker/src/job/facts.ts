import type { SandboxRequest } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';
import type { JobFolders } from './folders.js';
import { readWhole, writeWhole } from './kept.js';

/** What the agent after this one needs to know of a job that runs. JSON; it holds no secret. */
export interface JobFacts {
  /** Without what is used before the first step: image and services. */
  readonly request: SandboxRequest;
  readonly user: Owner;
  /** Whether the user is one of the pool, and to be given back to it. */
  readonly pooled: boolean;
}

/** Keeps them in memory, for as long as the job has folders. */
export function keepFacts(folders: JobFolders, { request, user, pooled }: JobFacts): void {
  const { image: _, ...rest } = request;
  const facts: JobFacts = { request: { ...rest, services: [] }, user, pooled };
  writeWhole(folders.facts, facts);
}

/** Undefined where the job was never ready for its steps. */
export function factsOf(folders: JobFolders): JobFacts | undefined {
  return readWhole<JobFacts>(folders.facts);
}
