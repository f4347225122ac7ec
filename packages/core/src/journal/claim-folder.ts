import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { RitmoError } from '../errors.js';

/** Job users walk through to their workspace, and can list nothing. */
const ownMode = 0o711;

/**
 * Makes the state directory, or takes one that is there. One that holds what is not an agent's, or that belongs to another user,
 * keeps its mode.
 * @throws RITMO_STATE_UNREADABLE where anybody may write to it
 */
export async function claimStateFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: ownMode });
  const { uid, mode } = await stat(path);
  if ((mode & 0o002) !== 0) {
    throw new RitmoError('RITMO_STATE_UNREADABLE', `Anybody may write to ${path}: it cannot be a state directory.`, {
      hint: "Choose a folder of the agent's own with --state-dir, for example one below this.",
    });
  }
  if (made !== undefined || (uid === process.getuid?.() && (await isOurs(path)))) await chmod(path, ownMode);
}

/** Whether nobody has anything in it yet but a file system, or an agent has. */
async function isOurs(path: string): Promise<boolean> {
  const names = (await readdir(path)).filter((name) => name !== 'lost+found');
  return names.length === 0 || names.includes('lock');
}
