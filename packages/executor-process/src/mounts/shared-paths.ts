import { existsSync, mkdirSync, realpathSync, rmdirSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { notStarted, type RitmoError } from '@ritmo/agent-core/executor';
import { mount, type Owner, unlessErrno, unmountBelow } from '@ritmo/host-linux';
import { isRoot } from '../job/user.js';

/** A host path, and where the sandbox is to take it from. */
export interface SharedPath {
  readonly source: string;
  readonly target: string;
}

export interface ReachablePaths extends AsyncDisposable {
  readonly paths: readonly SharedPath[];
}

/**
 * Host paths that jobs may see although their user cannot walk to them, such as a folder below /root: root mounts
 * them once more below a folder of ours. An agent without root shares the job's eyes and needs nothing.
 */
export class SharedPaths {
  readonly #folder: string;
  readonly #mayMount: boolean;
  #made = 0;

  /** `folder` is this executor's own; the user of a job must be able to walk to it. It is made when it is needed. */
  constructor(folder: string, mayMount: boolean) {
    this.#folder = folder;
    this.#mayMount = mayMount;
  }

  /** Throws RITMO_STEP_NOT_STARTED for a path that is not there or cannot be shown. */
  async reach(sources: readonly string[], user: Owner): Promise<ReachablePaths> {
    const places: string[] = [];
    const release = async () => {
      for (const place of places.splice(0)) await this.#take(place);
    };
    try {
      const paths: SharedPath[] = [];
      for (const source of sources) {
        if (!existsSync(source)) throw notStarted(`There is no ${source} on the worker.`);
        if (!isReadable(source, user)) throw unreadable(source);
        if (isReachable(source, user)) paths.push({ source, target: source });
        else {
          const place = await this.#put(source);
          places.push(place);
          paths.push({ source: place, target: source });
        }
      }
      return { paths, [Symbol.asyncDispose]: release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async #put(source: string): Promise<string> {
    if (!this.#mayMount) throw unreachable(source);
    this.#made += 1;
    const place = join(this.#folder, String(this.#made));
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
    if (statSync(source).isDirectory()) mkdirSync(place, { mode: 0o700 });
    else writeFileSync(place, '', { mode: 0o600 });
    try {
      await mount(['-o', 'bind,ro', source, place]);
      return place;
    } catch (error) {
      removePlace(place);
      throw unreachable(source, error);
    }
  }

  async #take(place: string): Promise<void> {
    await unmountBelow(place);
    removePlace(place);
  }
}

/** Never a recursive removal: were the mount still there, it would empty the operator's folder. */
function removePlace(place: string): void {
  if (statSync(place).isDirectory()) rmdirSync(place);
  else unlinkSync(place);
}

function unreadable(source: string): RitmoError {
  return notStarted(
    `The user of the job cannot read ${source}: its permissions keep others out.`,
    `Let others read it: chmod -R o+rX ${source}.`,
  );
}

/** Whether the user may read a file, or enter and list a folder, by its permission bits. */
export function isReadable(path: string, user: Owner): boolean {
  if (!isRoot()) return true;
  const stat = statSync(path);
  const needed = stat.isDirectory() ? 0o5 : 0o4;
  const shift = stat.uid === user.uid ? 6 : stat.gid === user.gid ? 3 : 0;
  return ((stat.mode >> shift) & needed) === needed;
}

function unreachable(source: string, cause?: unknown): RitmoError {
  return notStarted(
    `The user of the job cannot walk to ${source}.`,
    `Let others pass: chmod o+x on the folders above ${source}.`,
    cause,
  );
}

/** Whether the user may walk to the path by the permission bits of the folders above it, and of what links lead to. */
export function isReachable(path: string, user: Owner): boolean {
  if (!isRoot()) return true;
  const folder = realpathSync(dirname(path));
  const real = unlessErrno(['ENOENT'], () => realpathSync(path));
  return mayWalk(path, user) && mayWalk(join(folder, 'any'), user) && (real === undefined || mayWalk(real, user));
}

function mayWalk(path: string, user: Owner): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (folder === '/') return true;
  }
}
