import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';

/**
 * A tar archive of folders below `root` of this host, of which all belongs to `owner`; no link is followed. It is to be read to its
 * end, and `done` then awaited.
 */
export function packFolders(
  root: string,
  names: readonly string[],
  { uid, gid }: Owner,
): { readonly archive: Readable; readonly done: Promise<void> } {
  const options = ['--create', '--file=-', '--numeric-owner', `--owner=+${uid}`, `--group=+${gid}`];
  const child = spawn('tar', [...options, `--directory=${root}`, ...names], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-500)));
  const done = new Promise<void>((resolve, reject) => {
    const failed = (why: string) =>
      reject(
        new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The workspace could not be packed: ${why}`, {
          hint: 'The agent needs GNU tar: apt-get install tar.',
        }),
      );
    child.once('error', (error) => failed(error.message));
    child.once('close', (code) => (code === 0 ? resolve() : failed(said.trim() || `tar ended with code ${code}`)));
  });
  done.catch(() => undefined);
  return { archive: child.stdout, done };
}
