import type { Owner, UserPool } from '@ritmo/host-linux';

/** Whether the agent may give jobs a user of their own. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Who the steps of a job run as: a user of the job's own when the agent is root, else the agent's. */
export async function takeUser(users: UserPool, slot: number): Promise<Owner> {
  if (isRoot()) return await users.take(slot);
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}
