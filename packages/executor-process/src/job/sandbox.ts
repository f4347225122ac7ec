import { type ResourceUsage, refusedStep, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { HostSandbox, type SettledStep } from '@ritmo/host-linux';
import type { Job } from './job.js';

/** A job that is ready for its steps. */
export class ProcessSandbox extends HostSandbox<Job> {
  async usage(signal: AbortSignal): Promise<ResourceUsage> {
    this.job.assertUsable();
    return await this.job.usage(signal);
  }

  protected override async runStep(step: SettledStep, scope: StepScope): Promise<StepExit> {
    return await this.job.run({ ...step, readOnlyPaths: [] }, scope);
  }

  protected override refuseUser(user: string): StepExit {
    return refusedStep(`A process sandbox has one user; a step cannot be ${user}.`);
  }
}
