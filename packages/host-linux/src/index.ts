/** What executors share on a Linux host. Nothing here knows an executor by name. */
export { type Claim, ClaimedFiles } from './archive/claimed-files.js';
export { askedFor, isMeant, partsOf, staysInside } from './archive/claims.js';
export { ArchiveFiles } from './archive/read-archive.js';
export { fromSpool, Spool, type SpooledEntry } from './archive/spool.js';
export { tarAround } from './archive/tar-entry.js';
export { endGroup, removeGroup } from './cgroup/end-group.js';
export type { Cgroup, Cgroups, GroupEvents, GroupLimitName, GroupLimits, GroupUsage } from './cgroup/group.js';
export { groupOfProcess, type GroupView } from './cgroup/group-view.js';
export { openCgroups } from './cgroup/open-cgroups.js';
export { isNearlyFull } from './disk/free-space.js';
export { mountLoopVolume, smallestLoopVolume, tryLoopVolume } from './disk/loop-volume.js';
export { treeSize, type TreeSize, type TreeSizeOptions } from './disk/tree-size.js';
export { usedSpace } from './disk/used-space.js';
export { type DiskWatch, type DiskWatchSettings, watchDisk } from './disk/watchdog.js';
export { errnoOf, unlessErrno } from './errno.js';
export { collectFiles } from './files/collect.js';
export { Folder, type FolderItem, hasDescriptorPaths } from './files/folder.js';
export { type FolderMatch, type GlobRequest, Globs } from './files/globs.js';
export { openInstanceFolder, removeInstanceFolder } from './files/instance-folder.js';
export { readOpenFile } from './files/read-file.js';
export { removeTree } from './files/remove-tree.js';
export { makePlace, type Owner, removePaths, writeFiles } from './files/write-tree.js';
export {
  type MemoryFolder,
  type MemoryFolderRequest,
  type MemoryKind,
  mountSource,
  openMemoryFolder,
} from './mounts/memory-folder.js';
export { mount, unmountBelow } from './mounts/mount.js';
export { listMounts, type Mount, mountsBelow } from './mounts/mount-table.js';
export { hostPrefixes } from './network/host-addresses.js';
export { LocalRule } from './network/local-rule.js';
export { metadataPrefixes } from './network/metadata.js';
export { asksForNames, nameServers } from './network/name-servers.js';
export { type JobNetwork, Networks } from './network/networks.js';
export { findNetworkTools, type NetworkTools, withTunNode } from './network/network-tools.js';
export { PrivateNetwork, type PrivateNetworkRequest, privateNameServer } from './network/private-network.js';
export { OrderedWriter } from './output/ordered-writer.js';
export { findProgram } from './process/find-program.js';
export { inheritedDescriptors } from './process/inherited-descriptors.js';
export { auditArch, seccomp, type SeccompInstruction, seccompProgram } from './process/seccomp-program.js';
export { findProgramPart, howItEndedPart } from './process/shell-parts.js';
export { type StepCommand, stepFile } from './process/step-file.js';
export { signalAll, signalPid, signalProcess } from './process/signal.js';
export { signalNamed } from './process/signal-name.js';
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
export { type HostJob, HostSandbox, type SandboxPlaces, type SettledStep } from './sandbox/host-sandbox.js';
export { type LimitNames, notOffered, refuseUndeclared } from './sandbox/refuse-undeclared.js';
export { TimeSlice } from './time-slice.js';
export { type ConfinedProgram, runConfined, startConfined } from './tool/confined.js';
export { killConfined } from './tool/kill.js';
export { runOnWorkspace } from './tool/run-on-workspace.js';
