import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from './group.js';

const survivorMs = 10_000;

/** Ends everything in a group and resolves once it is empty; rejects when something survives. */
export async function endGroup(group: Cgroup): Promise<void> {
  const since = performance.now();
  for (let left = group.processes(); left.length > 0; left = group.processes()) {
    group.kill();
    if (performance.now() - since > survivorMs) throw new Error(`process ${left[0]} of ${group.name} survives SIGKILL`);
    await sleep(1);
  }
}

/** Ends everything in a group, and removes it. */
export async function removeGroup(group: Cgroup): Promise<void> {
  const since = performance.now();
  await endGroup(group);
  while (!group.tryRemove()) {
    if (performance.now() - since > survivorMs) throw new Error(`the control group ${group.name} cannot be removed`);
    await sleep(2);
  }
}
