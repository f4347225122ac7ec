import type { Job, StepResult } from '@ritmo/protocol';
import type { StoringState } from '../journal/journal.js';
import type { KeptMasks } from '../journal/kept-masks.js';
import type { Verdict } from './outcome.js';

export interface StoringParts {
  /** Of an agent that died at it. */
  readonly before: StoringState | undefined;
  readonly lease: { readonly jobId: string; readonly epoch: number };
  readonly job: Job;
  readonly verdict: Verdict;
  readonly steps: readonly StepResult[];
  readonly secrets: readonly string[];
}

/** What the journal says while artifacts are stored; undefined where the secrets cannot be kept that names may hold. */
export function storingState(masks: KeptMasks, parts: StoringParts): StoringState | undefined {
  const { before, lease, job, verdict, steps, secrets } = parts;
  if (!masks.keepAll(lease, secrets)) return undefined;
  const tries = before === undefined ? 0 : before.tries + 1;
  return { artifacts: job.artifacts, onLost: job.onLost, verdict, steps, masks: secrets.length, tries };
}
