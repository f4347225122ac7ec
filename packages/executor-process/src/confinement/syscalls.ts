import type { auditArch } from '@ritmo/host-linux';

/** Calls of the same number everywhere: open_tree, move_mount and the fs… family, mount_setattr, quotactl_fd. */
const mountsEverywhere = [428, 429, 430, 431, 432, 433, 442, 443, 467];

/** io_uring_setup, io_uring_enter, io_uring_register: programs go on without, as in most containers. */
export const missing = [425, 426, 427] as const;

/**
 * Numbers of the calls that no build needs, by architecture: keyrings (they are not in a namespace), bpf, perf,
 * userfaultfd, modules, kexec, mounts, other namespaces, file handles, swap, quota, accounting, clock, log of the
 * kernel, reboot, ports. What ptrace reaches is bounded by the pid namespace; debuggers need it.
 */
export const refused: Readonly<Record<keyof typeof auditArch, readonly number[]>> = {
  x64: [
    ...[248, 249, 250], // add_key, request_key, keyctl
    ...[321, 298, 323], // bpf, perf_event_open, userfaultfd
    ...[174, 175, 176, 177, 178, 313, 246, 320], // modules; kexec_load, kexec_file_load
    ...[165, 166, 155, 308, 304], // mount, umount2, pivot_root; setns; open_by_handle_at
    ...[167, 168, 179, 163, 169, 103, 180, 212], // swap, quotactl, acct, reboot, syslog, nfsservctl, lookup_dcookie
    ...[164, 227, 172, 173, 134, 156], // settimeofday, clock_settime; iopl, ioperm; uselib, _sysctl
    ...mountsEverywhere,
  ],
  ia32: [
    ...[286, 287, 288],
    ...[357, 336, 374],
    ...[127, 128, 129, 130, 167, 350, 283],
    ...[21, 22, 52, 217, 346, 342],
    ...[87, 115, 131, 51, 88, 103, 169, 253],
    ...[79, 264, 404, 25, 110, 101, 86, 149, 113, 166],
    ...mountsEverywhere,
  ],
  arm64: [
    ...[217, 218, 219],
    ...[280, 241, 282],
    ...[105, 106, 273, 104, 294],
    ...[40, 39, 41, 268, 265],
    ...[224, 225, 60, 89, 142, 116, 42, 18],
    ...[170, 112],
    ...mountsEverywhere,
  ],
  arm: [
    ...[309, 310, 311],
    ...[386, 364, 388],
    ...[128, 129, 379, 347, 401],
    ...[21, 52, 218, 375, 371],
    ...[87, 115, 131, 51, 88, 103, 169, 249],
    ...[79, 262, 404, 86, 149],
    ...mountsEverywhere,
  ],
};
