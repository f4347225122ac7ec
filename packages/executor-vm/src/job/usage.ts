import { readFileSync } from 'node:fs';
import type { ResourceUsage } from '@ritmo/agent-core/executor';
import { type Cgroup, descendantsOf, unlessErrno } from '@ritmo/host-linux';

/** Ticks of the clock that /proc counts in, by Linux's word to all programs. */
const ticksPerSecond = 100;

/** What a machine has used, counted from outside: by its control group, or as the kernel counts its processes. */
export function usageOf(pid: number | undefined, group: Cgroup | undefined, diskBytes: number): ResourceUsage {
  const counted = group?.usage();
  const processes = pid === undefined ? [] : [pid, ...descendantsOf(pid).map((process) => process.pid)];
  return {
    cpuMs: counted?.cpuMs ?? processes.reduce((sum, each) => sum + cpuMsOf(each), 0),
    memoryPeakBytes: counted?.memoryPeakBytes ?? processes.reduce((sum, each) => sum + peakOf(each), 0),
    diskBytes,
  };
}

function cpuMsOf(pid: number): number {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 1_000) / ticksPerSecond;
}

function peakOf(pid: number): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

const read = (path: string) => unlessErrno(['ENOENT', 'ESRCH', 'EACCES'], () => readFileSync(path, 'latin1')) ?? '';
