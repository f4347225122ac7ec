import { RitmoError } from '@ritmo/agent-core/executor';
import type { JobNetwork, Owner } from '@ritmo/host-linux';
import type { JobHost } from './job-host.js';

/** The network around one machine, for the user that it runs as; the agent's own where absent. */
export async function openNetwork(
  { networks }: Pick<JobHost, 'networks'>,
  user: Owner | undefined,
  signal: AbortSignal,
): Promise<JobNetwork> {
  if (networks === undefined) throw new RitmoError('RITMO_INTERNAL', 'There are no isolated networks here.');
  return await networks.open(user ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }, signal);
}
