import { join } from 'node:path';
import type { Owner, UserPool } from '@ritmo/host-linux';
import { isRoot } from './job/job-host.js';
import { makeKvmNode } from './job/kvm-node.js';

/** From the end of the pool: slots of jobs begin at its start. */
const helperSlot = 990;

export type WithUser = <T>(work: (user: Owner | undefined, kvmNode: string | undefined) => Promise<T>) => Promise<T>;

/** Lends users, with a node of /dev/kvm each, for work that is nobody's job. None where the agent is no root. */
export function helperUsers(users: UserPool, instance: string): WithUser {
  let nodes = 0;
  return async (work) => {
    if (!isRoot()) return await work(undefined, undefined);
    const user = await users.take(helperSlot);
    nodes += 1;
    try {
      const node = await makeKvmNode(join(instance, `kvm-${nodes}`), user).catch(() => undefined);
      return await work(user, node);
    } finally {
      users.giveBack(user);
    }
  };
}
