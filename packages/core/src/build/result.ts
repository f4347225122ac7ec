import type { JobResult, Seal, StepResult } from '@ritmo/protocol';
import type { ResourceUsage } from '../executor/sandbox.js';
import type { Verdict } from './outcome.js';

/** What is told of an ended build. */
export interface ResultParts {
  readonly verdict: Verdict;
  readonly steps: readonly StepResult[];
  readonly usage: ResourceUsage | undefined;
  readonly durationMs: number;
  readonly seal: Seal;
  /** Files stored. */
  readonly artifacts: number;
}

/** The result as the wire carries it. */
export function jobResult({ verdict, steps, usage, durationMs, seal, artifacts }: ResultParts): JobResult {
  return {
    outcome: verdict.outcome,
    ...(verdict.exitCode !== undefined && { exitCode: verdict.exitCode }),
    ...(verdict.signal !== undefined && { signal: verdict.signal }),
    ...(verdict.failure && { failure: verdict.failure }),
    steps: [...steps],
    ...(usage && {
      usage: {
        cpuMs: Math.round(usage.cpuMs),
        ...(usage.memoryPeakBytes !== undefined && { memoryPeakBytes: usage.memoryPeakBytes }),
        ...(usage.diskBytes !== undefined && { diskBytes: usage.diskBytes }),
      },
    }),
    durationMs,
    log: { length: seal.length, sha256: seal.sha256 },
    artifacts,
  };
}
