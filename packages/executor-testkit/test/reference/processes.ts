import { readdir, readFile } from 'node:fs/promises';

/** Variable that marks every process of a sandbox: `owner/sandbox`. */
export const marker = 'RITMO_REFERENCE';

export interface MarkedProcess {
  readonly pid: number;
  /** `owner/sandbox`. */
  readonly mark: string;
}

/** Living processes whose marker starts with the prefix. A zombie has no environment, and so is not seen. */
export async function marked(prefix: string): Promise<MarkedProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map(markOf));
  return found.filter((it): it is MarkedProcess => it?.mark.startsWith(prefix) === true);
}

async function markOf(pid: string): Promise<MarkedProcess | undefined> {
  // It may end while we look.
  const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
  const mark = environ.split('\0').find((entry) => entry.startsWith(`${marker}=`));
  return mark === undefined ? undefined : { pid: Number(pid), mark: mark.slice(marker.length + 1) };
}

/** Sends a signal to a process, or to a group when negative; false when there is none. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Kills all that is marked so, until there is no more; the number of processes that were found. */
export async function killMarked(prefix: string): Promise<number> {
  const seen = new Set<number>();
  for (;;) {
    const living = await marked(prefix);
    if (living.length === 0) return seen.size;
    for (const { pid } of living) {
      seen.add(pid);
      signalProcess(pid, 'SIGKILL');
    }
  }
}
