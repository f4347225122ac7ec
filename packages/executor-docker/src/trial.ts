import { mkdirSync, readlinkSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { removeTree } from '@ritmo/host-linux';
import { asRitmoError } from './docker/error.js';
import { podmanRemedy } from './docker/podman-remedy.js';
import { isRoot, SupervisedContainer } from './job/container.js';
import type { JobHost } from './job/job-host.js';
import { labelsOf } from './job/names.js';
import { confinement } from './job/spec.js';

const trialMs = 60_000;

export type TrialHost = Pick<JobHost, 'docker' | 'clock' | 'log' | 'tools' | 'ownerId'>;

/** Of a trial container. */
export interface Tried {
  /** Whether what the daemon calls the network of its host is the one that the agent is in. */
  readonly sameNetwork: boolean;
}

/**
 * Runs a command in a container as a job would, with the programs of the host: whether daemon and agent share a file
 * system, whether FIFOs come through, whether processes can be seen. Rejects with RITMO_EXECUTOR_UNAVAILABLE.
 */
export async function tryOut(host: TrialHost, memory: string): Promise<Tried> {
  const id = `trial-${randomUUID()}`;
  const folder = join(memory, id);
  const privateDir = join(folder, 'private');
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  mkdirSync(privateDir, { recursive: true, mode: 0o711 });
  try {
    await using container = await SupervisedContainer.start(
      {
        docker: host.docker,
        clock: host.clock,
        log: host.log,
        spec: {
          Image: host.tools.image,
          Env: ['PATH=/usr/bin:/bin'],
          Labels: labelsOf(host.ownerId, id, '', 'trial'),
          HostConfig: { ...confinement(true), NetworkMode: isRoot() ? 'host' : 'none', Binds: [...host.tools.binds] },
        },
        folder: join(folder, 'supervisor'),
        privateDir,
        owner,
        deadlineSeconds: trialMs / 1000,
        isDiskFull: () => false,
      },
      AbortSignal.timeout(trialMs),
    );
    const text: string[] = [];
    const exit = await container.run(
      'trial',
      { argv: ['/bin/sh', '-c', 'echo tried'], cwd: '/', env: {} },
      {
        signal: AbortSignal.timeout(trialMs),
        stop: { signal: 'SIGTERM', graceMs: 0 },
        output: { write: (_, bytes) => void text.push(Buffer.from(bytes).toString()) },
      },
    );
    if (exit.status !== 'exited' || exit.code !== 0 || text.join('') !== 'tried\n') {
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `A trial step ended with ${JSON.stringify(exit)}.`);
    }
    return { sameNetwork: isRoot() && (await networkOf(host, container.id)) === readlinkSync('/proc/self/ns/net') };
  } catch (error) {
    const { message, hint } = RitmoError.from(asRitmoError(error));
    const user = isRoot() ? '' : ' The agent is not root.';
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `A trial container did not work: ${message}${user}`, {
      hint: podmanRemedy(message) ?? hint,
      cause: error,
    });
  } finally {
    await removeTree(folder);
  }
}

async function networkOf({ docker }: TrialHost, container: string): Promise<string> {
  const state = await docker.inspectContainer(container);
  return readlinkSync(`/proc/${state?.pid ?? 0}/ns/net`);
}
