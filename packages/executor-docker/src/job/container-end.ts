import { RitmoError } from '@ritmo/agent-core/executor';
import type { DockerClient } from '../docker/client.js';

/** The container as a whole was the victim: no step can run after it, and the limit is what is to be said. */
export const outOfMemory = () =>
  new RitmoError('RITMO_LIMIT_HIT', 'The container of the job ran out of memory and was ended as a whole.', {
    hint: 'Ask for more memory: `limits: { memory: … }`.',
  });

/** Rejects with why a container has ended, once it has, or with the signal's reason. */
export async function containerEnd(docker: DockerClient, id: string, signal: AbortSignal): Promise<never> {
  try {
    await docker.waitForExit(id, 'started', signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The Docker daemon was lost while the job ran.', {
      hint: 'See whether it runs: `systemctl status docker`.',
      cause: error,
    });
  }
  if ((await docker.inspectContainer(id).catch(() => undefined))?.outOfMemory === true) throw outOfMemory();
  throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The container of the job has ended.', {
    hint: 'A step has ended everything in it, or somebody has removed it from outside.',
  });
}
