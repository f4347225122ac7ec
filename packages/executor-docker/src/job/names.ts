import { createHash } from 'node:crypto';
import type { JobId, SandboxId } from '@ritmo/agent-core/executor';

export const labelNames = {
  owner: 'dev.ritmo.owner',
  sandbox: 'dev.ritmo.sandbox',
  job: 'dev.ritmo.job',
  role: 'dev.ritmo.role',
} as const;

/** Labels of everything that is made for one sandbox. */
export function labelsOf(owner: string, sandbox: SandboxId, job: JobId, role: string): Record<string, string> {
  return {
    [labelNames.owner]: owner,
    [labelNames.sandbox]: sandbox,
    [labelNames.job]: job,
    [labelNames.role]: role,
  };
}

/** A short mark of an installation, for names that must be short. */
export function ownerMark(owner: string): string {
  return createHash('sha256').update(owner).digest('hex').slice(0, 6);
}
