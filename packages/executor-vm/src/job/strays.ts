import { RitmoError } from '@ritmo/agent-core/executor';
import {
  environmentValue,
  findByEnvironment,
  listProcesses,
  removeGroup,
  removeTree,
  signalProcess,
} from '@ritmo/host-linux';
import type { JobFolders } from './folders.js';
import { type JobHost, markOf } from './job-host.js';

const survivorMs = 10_000;

/** Ids of the sandboxes of an owner of which a process runs. */
export function markedSandboxes(ownerId: string): string[] {
  const prefix = markOf(ownerId, '');
  return listProcesses().flatMap(({ pid }) => environmentValue(pid, prefix) ?? []);
}

/** Ends what still runs of a sandbox that another agent has left, and removes its folders. */
export async function endStrays(host: JobHost, id: string, folders: JobFolders): Promise<void> {
  await endProcesses(host, id);
  await removeTree(folders.memory);
  await removeTree(folders.root);
}

/** Ends what still runs of a sandbox that another agent has left, and leaves its folders. */
export async function endProcesses(host: JobHost, id: string): Promise<void> {
  const { clock, cgroups } = host;
  const since = clock.monotonic();
  const find = () => findByEnvironment(markOf(host.ownerId, id));
  for (let left = find(); left.length > 0; left = find()) {
    for (const target of left) signalProcess(target, 'SIGKILL');
    if (clock.monotonic() - since > survivorMs)
      throw new RitmoError('RITMO_CLEANUP_FAILED', `Process ${left[0]?.pid} of a machine survives SIGKILL.`);
    await clock.sleep(1);
  }
  if (cgroups !== undefined) await removeGroup(cgroups.existing(id));
}
