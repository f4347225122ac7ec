import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RitmoError } from '../errors.js';

/** BSD's open flag that takes the lock at once. Source: open(2) of macOS. */
const O_EXLOCK = 0x20;

/**
 * The lock of a state directory. It is held by an open file description, so the kernel frees it when its holder
 * dies, however it dies.
 */
export class StateLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws RITMO_STATE_LOCKED where another agent holds it. */
  static async take(stateDir: string): Promise<StateLock> {
    const path = join(stateDir, 'lock');
    const file = process.platform === 'darwin' ? await openLocked(path, stateDir) : await open(path, 'a', 0o600);
    try {
      if (process.platform !== 'darwin' && !(await lockDescriptor(file.fd))) throw locked(stateDir);
      await file.truncate();
      await file.write(`${process.pid}\n`);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new StateLock(file);
  }

  async release(): Promise<void> {
    await this.#file.close();
  }
}

/** Process of the agent that holds the lock of a state directory; undefined where nobody does. */
export async function holderOfState(stateDir: string): Promise<number | undefined> {
  let file: FileHandle | undefined;
  try {
    const path = join(stateDir, 'lock');
    file = process.platform === 'darwin' ? await openLocked(path, stateDir) : await open(path, 'r+');
    if (process.platform === 'darwin' || (await lockDescriptor(file.fd))) return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (!(error instanceof RitmoError && error.code === 'RITMO_STATE_LOCKED')) throw error;
  } finally {
    await file?.close();
  }
  const pid = Number(await readFile(join(stateDir, 'lock'), 'utf8'));
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

async function openLocked(path: string, stateDir: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK, 0o600);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EAGAIN' ? locked(stateDir) : error;
  }
}

/** util-linux's and busybox's flock lock the description that they inherit; the lock stays when they end. */
function lockDescriptor(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: { PATH: process.env['PATH'] },
    });
    child.once('error', (error) =>
      reject(
        new RitmoError(
          'RITMO_STATE_UNREADABLE',
          'The program `flock` cannot be run, so the state directory cannot be locked.',
          {
            cause: error,
            hint: 'Install util-linux.',
          },
        ),
      ),
    );
    child.once('exit', (code) => resolve(code === 0));
  });
}

function locked(stateDir: string): RitmoError {
  return new RitmoError('RITMO_STATE_LOCKED', `Another agent uses the state directory ${stateDir}.`);
}
