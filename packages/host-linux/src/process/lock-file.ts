import { spawn } from 'node:child_process';
import { closeSync, constants, lstatSync, mkdirSync, openSync } from 'node:fs';
import { RitmoError } from '@ritmo/agent-core/executor';
import { errnoOf } from '../errno.js';

/** BSD's open flag that takes the lock at once. Source: open(2) of macOS. */
const O_EXLOCK = 0x20;
const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
/** flock's answer when somebody else holds the lock. */
const heldCode = 1;

/** Makes a folder for lock files that nobody but its owner can reach. Throws RITMO_EXECUTOR_UNAVAILABLE otherwise. */
export function openLockFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stat = lstatSync(path);
  if (stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0) return;
  throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `${path} is not a folder that the agent's user alone can reach.`, {
    hint: `Remove ${path}; the agent makes it again.`,
  });
}

/**
 * Takes the lock of a file and gives the descriptor that holds it, or undefined where somebody else has it. The kernel
 * frees it when the descriptor is closed, however its holder ends.
 */
export async function takeLockFile(path: string): Promise<number | undefined> {
  if (process.platform === 'darwin') return openLocked(path);
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    if (await lockDescriptor(fd)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

function openLocked(path: string): number | undefined {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_EXLOCK, 0o600);
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}

/** flock locks the description that it inherits; the lock stays when it ends. */
function lockDescriptor(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      env: { PATH: process.env['PATH'] },
    });
    const fail = (cause?: unknown) =>
      reject(
        new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', 'The program `flock` does not work here.', {
          cause,
          hint: 'Install util-linux: `apt-get install util-linux`.',
        }),
      );
    child.once('error', fail);
    child.once('exit', (code) => (code === 0 || code === heldCode ? resolve(code === 0) : fail()));
  });
}
