import { existsSync } from 'node:fs';
import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf, removeTree, unmountBelow } from '@ritmo/host-linux';
import type { DockerClient, Listed } from '../docker/client.js';
import { isRoot } from './container.js';
import type { JobFolders } from './folders.js';
import { labelNames } from './names.js';
import { type OwnContainerHost, runForJob } from './own-container.js';

const inside = '/taken-back';

/** Removes the folders of a job, those too that a build made as another user than the agent's. */
export async function removeFolders(
  host: OwnContainerHost,
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
export async function takeBack(host: OwnContainerHost, folder: string, labels: Record<string, string>): Promise<void> {
  if (!existsSync(folder)) return;
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const { code } = await runForJob(host, {
    argv: ['/usr/bin/chown', '-R', '-P', '-h', owner, inside],
    bind: `${folder}:${inside}`,
    capabilities: ['CHOWN', 'DAC_READ_SEARCH'],
    labels,
    signal: AbortSignal.timeout(300_000),
  });
  if (code !== 0) throw new RitmoError('RITMO_CLEANUP_FAILED', `${folder} could not be taken back (chown: ${code}).`);
}
