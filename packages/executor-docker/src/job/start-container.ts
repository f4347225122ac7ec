import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import { groupOfProcess, type GroupView } from '@ritmo/host-linux';
import type { ContainerSpec, DockerClient } from '../docker/client.js';
import type { InsideKill } from '../step/processes.js';
import { insidePaths } from '../supervisor/script.js';
import type { Shell, Supervisor } from '../supervisor/supervisor.js';
import type { ContainerSettings } from './container.js';
import { signSeconds } from './sign.js';

const greetingMs = 30_000;

/** The container as asked for, with the supervisor as its main process. */
export function withSupervisor({
  spec,
  deadlineSeconds,
  owner,
  folder,
  privateDir,
  lostAfterMs,
}: ContainerSettings): ContainerSpec {
  return {
    ...spec,
    Entrypoint: ['/bin/sh'],
    Cmd: [`${insidePaths.supervisor}/supervisor.sh`, String(deadlineSeconds), String(signSeconds({ lostAfterMs }))],
    User: `${owner.uid}:${owner.gid}`,
    AttachStdout: false,
    AttachStderr: false,
    HostConfig: {
      ...spec.HostConfig,
      Binds: [
        ...(spec.HostConfig?.Binds ?? []),
        `${folder}:${insidePaths.supervisor}:ro`,
        `${privateDir}:${insidePaths.privateDir}:ro`,
      ],
      LogConfig: { Type: 'none', Config: {} },
      Init: true,
    },
  };
}

/** Starts it, or says in our words why that cannot be. */
export async function startContainer(docker: DockerClient, id: string): Promise<void> {
  try {
    await docker.startContainer(id);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (/\/bin\/sh/.test(said) && /no such file|not found|permission denied|exec format/i.test(said)) {
      throw new RitmoError('RITMO_IMAGE_UNUSABLE', 'The image has no /bin/sh that runs, which builds need.', {
        cause: error,
      });
    }
    if (/no space left/i.test(said)) {
      throw new RitmoError('RITMO_DISK_FULL', 'The disk of the Docker daemon is full.', { cause: error });
    }
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `The container could not be started: ${said.slice(0, 400)}`, {
      cause: error,
    });
  }
}

/** Resolves with the kind of its shell when the supervisor runs. */
export async function greeted(
  docker: DockerClient,
  id: string,
  supervisor: Supervisor,
  clock: Clock,
  signal: AbortSignal,
): Promise<Shell> {
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal });
    if (signal.aborted) reject(signal.reason as Error);
  });
  const exit = docker.waitForExit(id, 'started', over.signal).then((code) => {
    throw new RitmoError('RITMO_IMAGE_UNUSABLE', `/bin/sh of the image ended at once, with code ${code}.`, {
      hint: 'It must be a POSIX shell that runs as the user of the image.',
    });
  });
  const late = clock.sleep(greetingMs, over.signal).then(() => {
    throw new RitmoError('RITMO_SANDBOX_BROKEN', `The container said nothing for ${greetingMs / 1000} seconds.`, {
      hint: 'Daemon and agent must share a file system: no FIFO of ours came through.',
    });
  });
  for (const promise of [aborted, exit, late]) promise.catch(() => undefined);
  try {
    return await Promise.race([supervisor.greeting, aborted, exit, late]);
  } finally {
    over.abort(new Error('greeted'));
  }
}

/** The control group of a container as the host sees it. */
export async function lookAt(docker: DockerClient, id: string): Promise<GroupView> {
  const state = await docker.inspectContainer(id);
  const group = state === undefined ? undefined : groupOfProcess(state.pid);
  if (group?.names(id) !== true) {
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The processes of containers cannot be seen from here.', {
      hint: 'Run the agent on the host of the Docker daemon, with /proc and /sys/fs/cgroup of that host.',
    });
  }
  return group;
}

/** Signals processes from inside, for an agent that may not do it itself. */
export function killInside(docker: DockerClient, id: string): InsideKill {
  return async (pids, name) => {
    const argv = ['/bin/sh', '-c', 'kill -s "$@" 2>/dev/null; :', 'kill', name, ...pids.map(String)];
    await docker.exec(id, argv, AbortSignal.timeout(10_000));
  };
}
