/** What executors share on a Linux host. Nothing here knows an executor by name. */
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
  openMemoryFolder,
} from './mounts/memory-folder.js';
export { isNearlyFull, mayMakeLoopVolumes, mountLoopVolume, smallestLoopVolume } from './mounts/loop-volume.js';
export { mount, unmountBelow } from './mounts/mount.js';
export { listMounts, type Mount, mountsBelow } from './mounts/mount-table.js';
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
