import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { signalPid } from '../process/signal.js';
import { makeGroup, readControl, readPids, tryRemoveGroup, tryWriteControl } from './control-files.js';
import type { Cgroup } from './group.js';
import { type GroupFolders, GroupView } from './group-view.js';

/** A control group of ours: one job is in it. */
export class JobGroup extends GroupView implements Cgroup {
  readonly name: string;
  readonly joinFiles: readonly string[];

  constructor(version: 1 | 2, folders: GroupFolders) {
    super(version, folders);
    this.name = basename(this.all[0] ?? '');
    this.joinFiles = this.all.map((folder) => join(folder, 'cgroup.procs'));
  }

  /** Makes it and applies `limit`; throws the system's error, and leaves nothing then. */
  make(limit: () => void): this {
    try {
      for (const folder of this.all) makeGroup(folder);
      limit();
      return this;
    } catch (error) {
      this.tryRemove();
      throw error;
    }
  }

  /** Of all its folders: one that is about to join may not be in each yet. */
  override processes(): number[] {
    return [...new Set(this.all.flatMap(readPids))];
  }

  override exists(): boolean {
    return this.all.some(existsSync);
  }

  kill(): void {
    if (!this.exists()) return;
    if (this.version === 2 && tryWriteControl(this.all[0] ?? '', 'cgroup.kill', 1)) return;
    // Nothing new can be born, so what is listed is all. What was killed forks no more; the next command must be able to.
    const reopen = this.#closeToForks();
    for (const pid of this.processes()) signalPid(pid, 'SIGKILL');
    reopen();
  }

  tryRemove(): boolean {
    return this.all.map(tryRemoveGroup).every(Boolean);
  }

  #closeToForks(): () => void {
    const { pids, freezer } = this.folders;
    const before = readControl(pids, 'pids.max');
    if (pids !== undefined && before !== undefined && tryWriteControl(pids, 'pids.max', 0)) {
      return () => tryWriteControl(pids, 'pids.max', before);
    }
    // What is frozen dies once it is thawed, and nobody can join until then.
    const state = this.version === 1 ? 'freezer.state' : 'cgroup.freeze';
    const [frozen, thawed] = this.version === 1 ? ['FROZEN', 'THAWED'] : ['1', '0'];
    if (freezer === undefined || !tryWriteControl(freezer, state, frozen ?? '')) return () => undefined;
    return () => tryWriteControl(freezer, state, thawed ?? '');
  }
}
