import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from './group.js';

const survivorMs = 10_000;
/** How long we wait for a parent that does not collect its dead children. */
const uncollectedMs = 5_000;

/**
 * Ends everything in a group and resolves once it is empty; rejects when something survives. Dead processes count against
 * its limit until their parent has collected them, which for orphans is the host's init: that is waited for where they
 * would leave the next command too little.
 */
export async function endGroup(group: Cgroup): Promise<void> {
  const since = performance.now();
  for (let left = group.processes(); left.length > 0; left = group.processes()) {
    group.kill();
    if (performance.now() - since > survivorMs) throw new Error(`process ${left[0]} of ${group.name} survives SIGKILL`);
    await sleep(1);
  }
  const emptiedAt = performance.now();
  while (group.crowded() && performance.now() - emptiedAt < uncollectedMs) await sleep(1);
}

/** Ends everything in a group, and removes it. */
export async function removeGroup(group: Cgroup): Promise<void> {
  const since = performance.now();
  await endGroup(group);
  while (!group.tryRemove()) {
    if (performance.now() - since > survivorMs) throw new Error(`the control group ${group.name} cannot be removed`);
    // One that was about to join when it was emptied has joined since.
    group.kill();
    await sleep(2);
  }
}
