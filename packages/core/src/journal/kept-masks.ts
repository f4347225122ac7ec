import {
  appendFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '../errors.js';

/** File systems that are memory. Source: linux/magic.h */
const memoryTypes = new Set([0x01021994, 0x858458f6]);

/** Of a job on this worker. */
interface LeaseKey {
  readonly jobId: string;
  readonly epoch: number;
}

const prefix = 'ritmo-masks-';

/**
 * What is hidden in the logs of builds, for an agent that is started again while they run: values added at run time
 * (`::add-mask::`), and every secret once artifacts are being stored. In memory, in a folder of the agent's own that is
 * there while something is kept, one file for each lease.
 */
export class KeptMasks {
  /** Undefined where this host has no memory to keep them in. */
  readonly folder: string | undefined;

  private constructor(folder: string | undefined) {
    this.folder = folder;
  }

  /** `ownerId` stays with the state directory. `places` are tried in their order. */
  static open(ownerId: string, places: readonly string[] = memoryPlaces()): KeptMasks {
    for (const place of places) {
      const folder = join(place, `${prefix}${ownerId}`);
      if (!isMemory(place) || !isOurs(folder)) continue;
      for (const name of readdirSync(place)) if (name.startsWith(prefix)) removeEmpty(join(place, name));
      return new KeptMasks(folder);
    }
    return new KeptMasks(undefined);
  }

  /** Kept before it returns: what is printed next may hold the value. */
  keep(lease: LeaseKey, value: string): void {
    this.keepAll(lease, [value]);
  }

  /** Keeps all of them. Answers whether they are: not where this host has no memory to keep them in. */
  keepAll(lease: LeaseKey, values: readonly string[]): boolean {
    if (values.length === 0) return true;
    if (this.folder === undefined) return false;
    const lines = values.map((value) => `${JSON.stringify(value)}\n`).join('');
    // Another agent that starts removes folders that are empty: once more, then.
    for (let tries = 1; ; tries++) {
      if (!isOurs(this.folder))
        throw new RitmoError('RITMO_STATE_UNREADABLE', `${this.folder} is not the agent's own.`);
      try {
        appendFileSync(fileOf(this.folder, lease), lines, { mode: 0o600 });
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 3) throw error;
      }
    }
  }

  /** All that were kept for a lease; a line that a crash tore is left out. */
  of(lease: LeaseKey): readonly string[] {
    if (this.folder === undefined) return [];
    try {
      const lines = readFileSync(fileOf(this.folder, lease), 'utf8').split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line) as string);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  forget(lease: LeaseKey): void {
    if (this.folder === undefined) return;
    rmSync(fileOf(this.folder, lease), { force: true });
    removeEmpty(this.folder);
  }
}

/** Also folders of agents that died; what is in use or somebody else's stays. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM', 'ENOTDIR'].includes(code)) throw error;
  }
}

function fileOf(folder: string, { jobId, epoch }: LeaseKey): string {
  return join(folder, `${jobId}.${epoch}`);
}

function memoryPlaces(): readonly string[] {
  const own = process.env['XDG_RUNTIME_DIR'];
  return [...(process.getuid?.() === 0 ? ['/run'] : own === undefined ? [] : [own]), '/dev/shm'];
}

function isMemory(place: string): boolean {
  try {
    return process.platform === 'linux' && memoryTypes.has(statfsSync(place).type);
  } catch {
    return false;
  }
}

/** Makes the folder, or takes it where it is ours alone: nobody else can have put it there. */
function isOurs(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
  }
  const stat = lstatSync(folder);
  return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
}
