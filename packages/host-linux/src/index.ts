/** What executors share on a Linux host. Nothing here knows an executor by name. */
export { endGroup, removeGroup } from './cgroup/end-group.js';
export type { Cgroup, Cgroups, GroupEvents, GroupLimitName, GroupLimits, GroupUsage } from './cgroup/group.js';
export { openCgroups } from './cgroup/open-cgroups.js';
export { diskSpace, leastLoopBytes, mountLoopFolder, unmountLoopFolder } from './disk/loop-folder.js';
export { usedSpace } from './disk/used-space.js';
export { type CgroupCounters, ProcessCgroup } from './cgroup/process-cgroup.js';
export { errnoOf, unlessErrno } from './errno.js';
export { collectFiles } from './files/collect.js';
export { Folder, type FolderItem, hasDescriptorPaths } from './files/folder.js';
export { type FolderMatch, type GlobRequest, Globs } from './files/globs.js';
export { removeTree } from './files/remove-tree.js';
export { makePlace, type Owner, removePaths, writeFiles } from './files/write-tree.js';
export {
  type MemoryFolder,
  type MemoryFolderRequest,
  type MemoryKind,
  mountSource,
  openMemoryFolder,
} from './mounts/memory-folder.js';
export { isNearlyFull, mayMakeLoopVolumes, mountLoopVolume, smallestLoopVolume } from './mounts/loop-volume.js';
export { mount, unmountBelow } from './mounts/mount.js';
export { listMounts, type Mount, mountsBelow } from './mounts/mount-table.js';
export { hostPrefixes } from './network/host-addresses.js';
export { LocalRule } from './network/local-rule.js';
export { findNetworkTools, type NetworkTools, withTunNode } from './network/network-tools.js';
export { PrivateNetwork, type PrivateNetworkRequest, privateNameServer } from './network/private-network.js';
export { findProgram } from './process/find-program.js';
export { inheritedDescriptors } from './process/inherited-descriptors.js';
export { signalPid, signalProcess } from './process/signal.js';
export {
  descendantsOf,
  environmentValue,
  findByEnvironment,
  findByUser,
  innermostPid,
  isRunning,
  listProcesses,
  type ProcessInfo,
  readProcess,
} from './process/table.js';
export { UserPool, userPoolSize } from './process/user-pool.js';
export { TimeSlice } from './time-slice.js';
