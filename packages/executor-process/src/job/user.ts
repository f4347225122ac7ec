import type { Owner } from '@ritmo/host-linux';

/** Whether the agent may give jobs a user of their own. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Who the steps of a slot run as: a user of the slot's own when the agent is root, else the agent's. */
export function jobUser(uidBase: number, slot: number): Owner {
  if (!isRoot()) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { uid: uidBase + slot, gid: uidBase + slot };
}
