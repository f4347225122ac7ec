import type { DockerClient } from '../docker/client.js';
import type { HostTools } from './host-tools.js';
import { confinement } from './spec.js';

export interface OwnContainerHost {
  readonly docker: DockerClient;
  readonly tools: HostTools;
}

export interface OwnCommand {
  /** A program of the host, by its path. */
  readonly argv: readonly [string, ...string[]];
  /** The one folder of a job that it works on. */
  readonly bind: string;
  readonly capabilities: readonly string[];
  readonly labels: Record<string, string>;
  readonly signal: AbortSignal;
}

/** Runs a program of the host as root of a fresh container, in which nothing of the build runs. */
export async function runForJob(
  { docker, tools }: OwnContainerHost,
  { argv: [program, ...args], bind, capabilities, labels, signal }: OwnCommand,
): Promise<{ readonly code: number; readonly log: string }> {
  const id = await docker.createContainer(
    {
      Image: tools.image,
      Entrypoint: [program],
      Cmd: args,
      User: '0:0',
      Labels: labels,
      HostConfig: {
        ...confinement(true),
        CapAdd: [...capabilities],
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '64k', 'max-file': '1' } },
        Binds: [...tools.binds, bind],
      },
    },
    signal,
  );
  try {
    const exit = docker.waitForExit(id, 'next', signal);
    exit.catch(() => undefined);
    await docker.startContainer(id);
    return { code: await exit, log: await docker.containerLog(id, 10) };
  } finally {
    await docker.removeContainer(id);
  }
}
