import type { Job, JobStep } from '@ritmo/protocol';

/** What a step is told about its job. */
export interface StepFacts {
  readonly jobId: string;
  readonly epoch: number;
  readonly step: string;
  readonly worker: string;
  readonly workdir: string;
}

/**
 * The environment of a step: ours, then the job's, the step's, and the secrets. Nothing of the agent's own.
 * `secrets` are values by variable: the value itself, or the path of its file.
 */
export function stepEnvironment(
  job: Job,
  step: JobStep,
  facts: StepFacts,
  secrets: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    CI: 'true',
    ...job.env,
    ...step.env,
    ...secrets,
    RITMO: 'true',
    RITMO_JOB_ID: facts.jobId,
    RITMO_JOB_NAME: job.name,
    RITMO_ATTEMPT: String(facts.epoch),
    RITMO_STEP: facts.step,
    RITMO_WORKER: facts.worker,
    RITMO_WORKSPACE: facts.workdir,
  };
}

/** Name of a step for people, masked: its own, or the first line of its script. */
export function stepName(step: JobStep, mask: (text: string) => string): string {
  if (step.name) return mask(step.name);
  // Masked before it is cut: the beginning of a secret would show.
  const line = mask(step.run)
    .split('\n')
    .map((text) => text.trim())
    .find((text) => text !== '' && !text.startsWith('#'));
  // oxlint-disable-next-line no-control-regex -- a name is shown on terminals
  const shown = (line ?? 'script').replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return shown.length > 80 ? `${shown.slice(0, 79)}…` : shown;
}
