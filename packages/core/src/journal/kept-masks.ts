import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { join } from 'node:path';

/** File systems that are memory. Source: linux/magic.h */
const memoryTypes = new Set([0x01021994, 0x858458f6]);

/** Of a job on this worker. */
interface LeaseKey {
  readonly jobId: string;
  readonly epoch: number;
}

/**
 * What is hidden in the logs of builds, for an agent that is started again while they run: values added at run time
 * (`::add-mask::`), and every secret once artifacts are being stored. In memory, in a folder of the agent's own, one
 * file for each lease.
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
      const folder = join(place, `ritmo-masks-${ownerId}`);
      if (isMemory(place) && isOurs(folder)) return new KeptMasks(folder);
    }
    return new KeptMasks(undefined);
  }

  /** Kept before it returns: what is printed next may hold the value. */
  keep(lease: LeaseKey, value: string): void {
    if (this.folder === undefined) return;
    appendFileSync(fileOf(this.folder, lease), `${JSON.stringify(value)}\n`, { mode: 0o600 });
  }

  /** Keeps all of them. Answers whether they are: not where this host has no memory to keep them in. */
  keepAll(lease: LeaseKey, values: readonly string[]): boolean {
    if (values.length === 0) return true;
    if (this.folder === undefined) return false;
    appendFileSync(fileOf(this.folder, lease), values.map((value) => `${JSON.stringify(value)}\n`).join(''), {
      mode: 0o600,
    });
    return true;
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
    if (this.folder !== undefined) rmSync(fileOf(this.folder, lease), { force: true });
  }

  /** Removes the folder where nothing is kept any more. */
  close(): void {
    if (this.folder === undefined || !existsSync(this.folder)) return;
    if (readdirSync(this.folder).length === 0) rmdirSync(this.folder);
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
