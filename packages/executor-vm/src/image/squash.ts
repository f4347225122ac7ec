import { once } from 'node:events';
import { chownSync, closeSync, ftruncateSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RitmoError } from '@ritmo/agent-core/executor';
import { killConfined, type Owner, runConfined, startConfined } from '@ritmo/host-linux';

/** Absolute paths; both come with squashfs-tools. */
export interface SquashTools {
  readonly bubblewrap: string;
  readonly sqfstar: string;
  readonly unsquashfs: string;
}

export interface SquashHost {
  readonly tools: SquashTools;
  /** Who the tools run as: what they read was made by strangers. */
  readonly user: Owner | undefined;
  readonly mark: string;
}

/** Reading it back then costs no computing, which is dear in an emulated machine. */
const unpacked = ['-noI', '-noD', '-noF', '-noX', '-mem', '256M', '-quiet', '-no-progress'];
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
const root = { uid: 0, gid: 0 };

/** Makes a root filesystem from an archive, owners and modes as it says, without rights of any kind. */
export async function squashTar(host: SquashHost, archive: Readable, path: string, signal: AbortSignal): Promise<void> {
  makeFile(path, host.user);
  const { tools, user, mark } = host;
  const child = startConfined({
    bubblewrap: tools.bubblewrap,
    argv: [tools.sqfstar, ...unpacked, '-force', '/image'],
    env,
    user,
    inside: root,
    cwd: '/',
    binds: [{ source: path, target: '/image', writable: true }],
    mark,
    stdin: 'pipe',
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-2_000)));
  child.stdout?.resume();
  (child.stdio[4] as Readable | null)?.resume();
  const stop = () => killConfined(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const ended = once(child, 'close') as Promise<[number | null]>;
    const broken = feed(archive, child.stdin);
    const [code] = await ended;
    signal.throwIfAborted();
    if (code !== 0) throw notMade(said.trim() || `sqfstar ended with ${code}`);
    const error = broken();
    if (error !== undefined) throw notMade(`its archive broke off (${error.message})`, error);
  } finally {
    archive.destroy();
    signal.removeEventListener('abort', stop);
  }
}

/** The text of some files of a root filesystem; '' for one that is not there. */
export async function readFiles(
  host: SquashHost,
  path: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const texts: string[] = [];
  for (const name of names) {
    const { tools, user, mark } = host;
    const reading = runConfined(
      {
        bubblewrap: tools.bubblewrap,
        argv: [tools.unsquashfs, '-cat', '/image', name],
        env,
        user,
        inside: root,
        cwd: '/',
        binds: [{ source: path, target: '/image', writable: false }],
        mark,
      },
      signal,
    );
    texts.push(await reading.catch(() => ''));
    signal.throwIfAborted();
  }
  return texts;
}

/**
 * Hands the archive on; returns what tells whether it broke off. That sqfstar reads no further than its end, and not
 * what fills its last block, is no fault.
 */
function feed(archive: Readable, sink: Writable | null): () => Error | undefined {
  let taken = sink === null;
  let error: Error | undefined;
  for (const event of ['error', 'close']) sink?.once(event, () => (taken = true));
  archive.once('error', (reason: Error) => {
    if (!taken) error ??= reason;
  });
  archive.once('close', () => {
    if (!taken && !archive.readableEnded) error ??= new Error('it has no end');
  });
  if (sink !== null) pipeline(archive, sink).catch(() => undefined);
  return () => error;
}

function makeFile(path: string, user: Owner | undefined): void {
  const fd = openSync(path, 'w', 0o600);
  ftruncateSync(fd, 0);
  closeSync(fd);
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}

function notMade(why: string, cause?: unknown): RitmoError {
  const full = /No space left|write failed|FATAL ERROR: ?Failed to write/i.test(why);
  return new RitmoError(
    full ? 'RITMO_NO_ROOM' : 'RITMO_IMAGE_UNUSABLE',
    full
      ? `There is no room for the root filesystem of the image: ${why}`
      : `No root filesystem can be made of the image: ${why}`,
    {
      hint: full
        ? 'Make room where `cacheDir` lies, or lower `maxCacheBytes`.'
        : 'The image must be a whole archive of a root filesystem.',
      cause,
    },
  );
}
