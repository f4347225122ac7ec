import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RitmoError } from '../errors.js';
import { writeFileAtomic } from './atomic-file.js';
import { claimStateFolder } from './claim-folder.js';
import { Journal } from './journal.js';
import { KeptMasks } from './kept-masks.js';
import { StateLock } from './state-lock.js';

/** Folders and small facts that stay over restarts, under the lock of one agent. */
export class StateDir {
  readonly path: string;
  readonly ownerId: string;
  readonly journal: Journal;
  /** What builds asked to hide at run time. */
  readonly masks: KeptMasks;
  readonly #lock: StateLock;

  private constructor(path: string, ownerId: string, lock: StateLock) {
    this.path = path;
    this.ownerId = ownerId;
    this.journal = new Journal(join(path, 'journal'));
    this.masks = KeptMasks.open(ownerId);
    this.#lock = lock;
  }

  /**
   * Makes what is missing and takes the lock.
   * @throws RITMO_STATE_LOCKED, RITMO_STATE_UNREADABLE
   */
  static async open(path: string): Promise<StateDir> {
    try {
      await claimStateFolder(path);
      const lock = await StateLock.take(path);
      try {
        for (const folder of ['journal', 'spool', 'staging'])
          await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
        await mkdir(join(path, 'executors'), { recursive: true, mode: 0o711 });
        const ownerId = await kept(join(path, 'owner-id'), () => randomBytes(8).toString('hex'));
        return new StateDir(path, ownerId, lock);
      } catch (error) {
        await lock.release();
        throw error;
      }
    } catch (error) {
      if (error instanceof RitmoError) throw error;
      throw new RitmoError(
        'RITMO_STATE_UNREADABLE',
        `The state directory ${path} cannot be used: ${(error as Error).message}.`,
        {
          cause: error,
        },
      );
    }
  }

  /** A name for a worker that was given none: made up once. */
  workerName(): Promise<string> {
    return kept(join(this.path, 'worker-name'), () => {
      const host = hostname()
        .split('.')[0]
        ?.replaceAll(/[^A-Za-z0-9-]/g, '')
        .slice(0, 40);
      return `${host || 'worker'}-${randomBytes(2).toString('hex')}`;
    });
  }

  /** The key that proves at `server` that this installation holds the name. */
  async resumeKey(server: string, worker: string): Promise<string | undefined> {
    return (await this.#resumeKeys())[`${server} ${worker}`];
  }

  async keepResumeKey(server: string, worker: string, key: string): Promise<void> {
    const keys = await this.#resumeKeys();
    if (keys[`${server} ${worker}`] === key) return;
    keys[`${server} ${worker}`] = key;
    await writeFileAtomic(join(this.path, 'resume-keys.json'), `${JSON.stringify(keys, null, 2)}\n`);
  }

  spoolPath(jobId: string, epoch: number): string {
    return join(this.path, 'spool', `${jobId}.${epoch}.log`);
  }

  /** Removes spools of builds that the journal does not know any more: an agent was killed while it forgot them. */
  async sweepSpools(keep: ReadonlyArray<{ readonly jobId: string; readonly epoch: number }>): Promise<void> {
    const kept = keep.map(({ jobId, epoch }) => `${jobId}.${epoch}.log`);
    const folder = join(this.path, 'spool');
    for (const name of await readdir(folder)) {
      if (!kept.some((known) => name.startsWith(known))) await rm(join(folder, name), { force: true });
    }
  }

  /** Bytes of the spools. */
  async spoolBytes(): Promise<number> {
    const folder = join(this.path, 'spool');
    const sizes = (await readdir(folder)).map(async (name) => {
      try {
        return (await stat(join(folder, name))).size;
      } catch (error) {
        // Removed in the meantime: its build is reported.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
        throw error;
      }
    });
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  get stagingDir(): string {
    return join(this.path, 'staging');
  }

  async executorDir(name: string): Promise<string> {
    const path = join(this.path, 'executors', name.replaceAll('/', '__'));
    await mkdir(path, { recursive: true, mode: 0o711 });
    await chmod(path, 0o711);
    return path;
  }

  async close(): Promise<void> {
    await this.#lock.release();
  }

  async #resumeKeys(): Promise<Record<string, string>> {
    const text = await readIfThere(join(this.path, 'resume-keys.json'));
    return text === undefined ? {} : (JSON.parse(text) as Record<string, string>);
  }
}

async function kept(path: string, make: () => string): Promise<string> {
  const before = (await readIfThere(path))?.trim();
  if (before) return before;
  const made = make();
  await writeFileAtomic(path, `${made}\n`);
  return made;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
