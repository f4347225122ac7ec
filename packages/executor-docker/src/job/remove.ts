import { existsSync } from 'node:fs';
import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf, removeTree, unmountBelow } from '@ritmo/host-linux';
import type { DockerClient, Listed } from '../docker/client.js';
import { isRoot } from './container.js';
import type { JobFolders } from './folders.js';
import type { HostTools } from './host-tools.js';
import { labelNames } from './names.js';
import { confinement } from './spec.js';

const inside = '/taken-back';

export interface RemovalHost {
  readonly docker: DockerClient;
  readonly tools: HostTools;
}

/** Removes the folders of a job, those too that a build made as another user than the agent's. */
export async function removeFolders(
  host: RemovalHost,
  folders: JobFolders,
  labels: Record<string, string>,
): Promise<void> {
  await removeTree(folders.memory);
  if (isRoot()) await unmountBelow(folders.root);
  try {
    await removeTree(folders.root);
  } catch (error) {
    if (isRoot() || !['EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
    await takeBack(host, folders.root, labels);
    await removeTree(folders.root);
  }
}

/** Removes containers, then networks, that bear the labels of a sandbox of this installation. */
export async function removeLabelled(
  { docker, ownerId }: { readonly docker: DockerClient; readonly ownerId: string },
  sandbox: string,
): Promise<void> {
  const label = `${labelNames.owner}=${ownerId}`;
  const ofSandbox = ({ labels }: Listed) => labels[labelNames.sandbox] === sandbox;
  for (const { id } of (await docker.listContainers(label)).filter(ofSandbox)) await docker.removeContainer(id);
  for (const { id } of (await docker.listNetworks(label)).filter(ofSandbox)) await docker.removeNetwork(id);
}

/** Hands a folder and all below it to the agent, by a fresh container of ours: nothing of the build runs in it. */
export async function takeBack(
  { docker, tools }: RemovalHost,
  folder: string,
  labels: Record<string, string>,
): Promise<void> {
  if (!existsSync(folder)) return;
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const signal = AbortSignal.timeout(300_000);
  const id = await docker.createContainer(
    {
      Image: tools.image,
      Entrypoint: ['/usr/bin/chown'],
      Cmd: ['-R', '-P', '-h', owner, inside],
      User: '0:0',
      Labels: labels,
      HostConfig: {
        ...confinement(true),
        CapAdd: ['CHOWN', 'DAC_READ_SEARCH'],
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        LogConfig: { Type: 'none', Config: {} },
        Binds: [...tools.binds, `${folder}:${inside}`],
      },
    },
    signal,
  );
  try {
    const exit = docker.waitForExit(id, 'next', signal);
    exit.catch(() => undefined);
    await docker.startContainer(id);
    const code = await exit;
    if (code !== 0) throw new RitmoError('RITMO_CLEANUP_FAILED', `${folder} could not be taken back (chown: ${code}).`);
  } finally {
    await docker.removeContainer(id);
  }
}
