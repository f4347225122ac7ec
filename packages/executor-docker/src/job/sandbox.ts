import { type ResourceUsage, refusedStep, type StepExit, type StepScope } from '@ritmo/agent-core/executor';
import { HostSandbox, type SettledStep } from '@ritmo/host-linux';
import type { Job } from './job.js';

/** A job that is ready for its steps. */
export class DockerSandbox extends HostSandbox<Job> {
  readonly #detached: () => void;

  /** `detached` is told when the sandbox was left to the agent after this one. */
  constructor(job: Job, description: string, detached: () => void) {
    super(job, description);
    this.#detached = detached;
  }

  async attach(stepId: string, scope: StepScope): Promise<StepExit> {
    return await this.job.container.attach(stepId, scope);
  }

  async detach(): Promise<void> {
    await this.job.letGo();
    this.#detached();
  }

  /** As the container's cgroup and the host's file system count, which nobody inside can change. */
  async usage(signal: AbortSignal): Promise<ResourceUsage> {
    const { cpuMs, memoryPeakBytes } = this.job.container;
    const diskBytes = await this.job.diskPeakBytes(signal);
    return {
      cpuMs,
      ...(memoryPeakBytes === undefined ? {} : { memoryPeakBytes }),
      ...(diskBytes === undefined ? {} : { diskBytes }),
    };
  }

  protected override async runStep(step: SettledStep, scope: StepScope): Promise<StepExit> {
    return await this.job.container.run(step.id, step, scope);
  }

  protected override refuseUser(user: string): StepExit {
    return refusedStep(`A container has one user; a step cannot be ${user}.`, 'Set USER in the image.');
  }

  protected override async beforeCollect(): Promise<void> {
    await this.job.takeBack();
  }
}
