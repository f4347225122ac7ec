import { posix } from 'node:path';
import { RitmoError } from '../errors.js';
import type { FileBody, StepExit, StepSpec, ToolSpec } from './sandbox.js';

/** The error of a step that could not begin by its own fault: RITMO_STEP_NOT_STARTED. */
export function notStarted(message: string, hint?: string, cause?: unknown): RitmoError {
  return new RitmoError('RITMO_STEP_NOT_STARTED', message, {
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** How a step ends that could not begin. */
export function refusedStep(message: string, hint?: string): Extract<StepExit, { status: 'not-started' }> {
  return { status: 'not-started', error: notStarted(message, hint) };
}

/** The error of arguments and variables that are more than the system passes on. */
export function tooLong(): RitmoError {
  return notStarted(
    'Arguments and environment of the step are longer than the system allows.',
    'Put long texts into files.',
  );
}

/**
 * The folder of a step inside the sandbox, without a trailing slash.
 * @throws RITMO_STEP_NOT_STARTED for one that is not in the workspace.
 */
export function stepFolder(workdir: string, { cwd }: Pick<StepSpec, 'cwd'>): string {
  const folder = posix.join(workdir, cwd ?? '.').replace(/(.)\/$/, '$1');
  if (cwd?.startsWith('/') !== true && (folder === workdir || folder.startsWith(`${workdir}/`))) return folder;
  throw notStarted(`The folder ${cwd} is not in the workspace.`, 'Check `dir:` of the step.');
}

/** A folder that a sandbox shows under another path. */
export interface ShownFolder {
  /** Where the sandbox shows it. */
  readonly inside: string;
  /** Where it lies on the host. */
  readonly host: string;
}

/**
 * Where a path inside lies on the host: the folder it is in, and the way from there.
 * @throws RITMO_WORKSPACE_ESCAPE for a path in none of the folders.
 */
export function locateInside(
  folders: readonly ShownFolder[],
  path: string,
): { readonly root: string; readonly rest: string } {
  const normal = posix.normalize(path);
  for (const { inside, host } of folders) {
    if (normal === inside || normal === `${inside}/`) return { root: host, rest: '' };
    if (normal.startsWith(`${inside}/`)) return { root: host, rest: normal.slice(inside.length + 1) };
  }
  throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `${path} is neither in the workspace nor in the private folder.`);
}

/** The files of a tool, as `put` takes them. */
export function toolFiles(tool: Pick<ToolSpec, 'files'>): FileBody[] {
  return Object.entries(tool.files ?? {}).map(([path, { content, mode }]) => {
    const bytes = Buffer.from(content);
    return { kind: 'file', path, mode, mtimeMs: 0, size: bytes.length, body: once(bytes) };
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
