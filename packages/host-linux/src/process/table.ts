import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';

/** One process as /proc shows it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** One letter; `Z` and `X` have ended and only wait to be reaped. */
  readonly state: string;
  /** Clock ticks from boot to its start: with the pid it names the process for ever. */
  readonly startTime: number;
}

/** All processes; empty where there is no /proc. */
export function listProcesses(): ProcessInfo[] {
  return pids().flatMap((pid) => readProcess(pid) ?? []);
}

/** One process, or undefined when it is not there. */
export function readProcess(pid: number): ProcessInfo | undefined {
  const text = readProc(pid, 'stat')?.toString('latin1');
  if (text === undefined) return undefined;
  // The name in parentheses is the process's own choice and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? 'X',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    startTime: Number(fields[19]),
  };
}

/** Whether this very process, and not a later one of the same number, still runs. Zombies do not. */
export function isRunning({ pid, startTime }: Pick<ProcessInfo, 'pid' | 'startTime'>): boolean {
  const now = readProcess(pid);
  return now !== undefined && now.startTime === startTime && now.state !== 'Z' && now.state !== 'X';
}

/** The processes below `pid`, itself not counted, zombies not counted. */
export function descendantsOf(pid: number): ProcessInfo[] {
  const childrenOf = kernelListsChildren() ? childrenByKernel : childrenByScan();
  const found: ProcessInfo[] = [];
  const work = [pid];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    for (const child of childrenOf(next)) {
      work.push(child);
      const info = readProcess(child);
      if (info !== undefined && info.state !== 'Z' && info.state !== 'X') found.push(info);
    }
  }
  return found;
}

/** The number of a process in the innermost pid namespace that it is in. */
export function innermostPid(pid: number): number | undefined {
  const line = /^NSpid:\t(.*)$/m.exec(readProc(pid, 'status')?.toString('latin1') ?? '')?.[1];
  return line === undefined ? undefined : Number(line.split('\t').at(-1));
}

/** Cheap, where the kernel was built with it: most are. */
const kernelListsChildren = () => existsSync(`/proc/self/task/${process.pid}/children`);

function childrenByKernel(pid: number): number[] {
  return listNames(`/proc/${pid}/task`).flatMap((thread) =>
    (readProc(pid, `task/${thread}/children`)?.toString('latin1') ?? '').split(' ').filter(Boolean).map(Number),
  );
}

function childrenByScan(): (pid: number) => number[] {
  const children = new Map<number, number[]>();
  for (const { pid, parent } of listProcesses()) children.set(parent, [...(children.get(parent) ?? []), pid]);
  return (pid) => children.get(pid) ?? [];
}

/** Processes that were started with this `NAME=value` in their environment, as far as we may look. */
export function findByEnvironment(variable: string): ProcessInfo[] {
  const needle = Buffer.from(`\0${variable}\0`);
  const own = process.getuid?.();
  return findProcesses((pid) => {
    if (own !== 0 && ownerOf(pid) !== own) return false;
    const environ = readProc(pid, 'environ');
    return environ !== undefined && Buffer.concat([nul, environ]).includes(needle);
  });
}

/** Processes whose real user is `uid`. */
export function findByUser(uid: number): ProcessInfo[] {
  const line = `\nUid:\t${uid}\t`;
  return findProcesses((pid) => {
    const owner = ownerOf(pid);
    // One that must not be looked into is shown as root's.
    return owner === uid || (owner === 0 && (readProc(pid, 'status')?.includes(line) ?? false));
  });
}

/** What follows `prefix` (`NAME=` or more) in the process's initial environment. */
export function environmentValue(pid: number, prefix: string): string | undefined {
  const variables = readProc(pid, 'environ')?.toString().split('\0') ?? [];
  return variables.find((variable) => variable.startsWith(prefix))?.slice(prefix.length);
}

const nul = Buffer.from('\0');

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}

function findProcesses(test: (pid: number) => boolean): ProcessInfo[] {
  return pids()
    .filter((pid) => pid !== process.pid && test(pid))
    .flatMap((pid) => readProcess(pid) ?? [])
    .filter((info) => info.state !== 'Z' && info.state !== 'X');
}

function pids(): number[] {
  return listNames('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A process may end, or be closed to us, at any moment: then there is nothing to read. */
function readProc(pid: number, file: string): Buffer | undefined {
  try {
    return readWhole(`/proc/${pid}/${file}`);
  } catch {
    return undefined;
  }
}

/** As readFileSync, which is slow with files whose size is not known before. */
function readWhole(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (;;) {
      const bytes = readSync(fd, page, 0, page.length, null);
      if (bytes === 0) return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      chunks.push(Buffer.from(page.subarray(0, bytes)));
    }
  } finally {
    closeSync(fd);
  }
}

const page = Buffer.alloc(64 * 1024);
