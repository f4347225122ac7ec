import { randomUUID } from 'node:crypto';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { ArchiveFiles, Spool, removeTree } from '@ritmo/host-linux';
import type { DockerClient } from '../docker/client.js';
import { DockerError } from '../docker/error.js';
import { RemoteCalls } from '../docker/remote-calls.js';
import { tarOf } from '../docker/tar.js';
import { labelsOf } from '../job/names.js';

const trialMs = 60_000;
const inside = '/run';

export interface TrialHost {
  readonly docker: DockerClient;
  readonly ownerId: string;
  /** An image that can be made into a container, which is never started. */
  readonly image: string;
  /** Where folders of jobs will lie. */
  readonly folder: string;
}

/** Whether the daemon sees what the agent makes; answers undefined, or what it said. Nothing is made on its host. */
export async function whyNotShared({ docker, ownerId, image, folder }: TrialHost): Promise<string | undefined> {
  const name = `trial-${randomUUID()}`;
  const path = join(folder, name);
  mkdirSync(path);
  try {
    // As a mount: a bind would make the folder on the daemon's host where it is not there.
    const mount = { Type: 'bind', Source: path, Target: inside, ReadOnly: true };
    const id = await docker.createContainer(
      {
        Image: image,
        Entrypoint: ['/bin/sh'],
        Labels: labelsOf(ownerId, name, '', 'trial'),
        HostConfig: { NetworkMode: 'none', Mounts: [mount as never] },
      },
      AbortSignal.timeout(trialMs),
    );
    await docker.removeContainer(id);
    return undefined;
  } catch (error) {
    if (!(error instanceof DockerError) || error.unreached) throw error;
    if (/bind source path does not exist|no such file/i.test(error.message)) {
      return 'daemon and agent share no file system';
    }
    throw error;
  } finally {
    rmdirSync(path);
  }
}

/** Sends a file into a volume of the daemon and gets it back. Rejects with RITMO_EXECUTOR_UNAVAILABLE. */
export async function tryArchives({ docker, ownerId, image, folder }: TrialHost): Promise<void> {
  const name = `trial-${randomUUID()}`;
  const labels = labelsOf(ownerId, name, '', 'trial');
  const calls = new RemoteCalls(docker);
  const signal = AbortSignal.timeout(trialMs);
  const spool = join(folder, name);
  let id: string | undefined;
  try {
    await calls.createVolume(name, labels);
    const mount = { Type: 'volume', Source: name, Target: inside, VolumeOptions: { NoCopy: true } };
    const spec = { Image: image, Entrypoint: ['/bin/sh'], Labels: labels };
    id = await docker.createContainer(
      { ...spec, HostConfig: { NetworkMode: 'none', Mounts: [mount as never] } },
      signal,
    );
    await calls.putArchive(id, inside, tarOf([{ kind: 'link', path: 'tried', target: 'here' }]), signal);
    const request = { include: ['**'], exclude: [], dotfiles: true, maxFiles: 10, maxBytes: 10 };
    const files = new ArchiveFiles(request, new Spool(spool), 1);
    const archive = await calls.getArchive(id, inside, signal);
    if (archive !== undefined) await files.read(archive);
    if (files.entries()[0]?.path !== 'tried') throw new Error('what was put into a volume did not come back');
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `Archives do not come through to the Docker daemon: ${said}`, {
      hint: 'The remote way needs an engine with the API of Docker 20.10 or newer.',
      cause: error,
    });
  } finally {
    if (id !== undefined) await docker.removeContainer(id);
    await calls.removeVolume(name);
    await removeTree(spool);
  }
}
