import { z } from 'zod';
import { epoch, sha256, shownText } from '../names.js';
import { failure, openEnum } from './common.js';

/** How a build ended. `failed`: its own command did. `errored`: the infrastructure did. */
export const outcomes = ['succeeded', 'failed', 'cancelled', 'timed_out', 'errored'] as const;
export const outcome = openEnum(outcomes, 'errored');
export type Outcome = (typeof outcomes)[number];

export const stepResult = z.object({
  index: z.int().min(0),
  name: shownText(255),
  status: openEnum(['succeeded', 'failed', 'skipped', 'cancelled', 'timed_out', 'errored'], 'errored'),
  exitCode: z.int().optional(),
  signal: shownText(64).optional(),
  limit: shownText(64).optional(),
  durationMs: z.int().min(0),
});
export type StepResult = z.output<typeof stepResult>;

export const finishRequest = z.object({
  epoch,
  outcome,
  /** Of the step that decided the outcome. */
  exitCode: z.int().optional(),
  signal: shownText(64).optional(),
  /** Present for every outcome but `succeeded`. */
  failure: failure.optional(),
  steps: z.array(stepResult),
  usage: z
    .object({ cpuMs: z.int().min(0), memoryPeakBytes: z.int().min(0).optional(), diskBytes: z.int().min(0).optional() })
    .optional(),
  durationMs: z.int().min(0),
  log: z.object({ length: z.int().min(0), sha256 }).optional(),
  /** Number of files stored. */
  artifacts: z.int().min(0),
});
/** What an agent says of an ended build. */
export type JobResult = Omit<z.output<typeof finishRequest>, 'epoch'>;
