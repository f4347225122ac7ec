import { treeSize } from './tree-size.js';

/**
 * Bytes on disk of all that lies below some folders, each file counted once; no link is followed, no other file
 * system entered. What cannot be looked into, or vanishes meanwhile, is not counted. Stops at `enough`.
 */
export async function usedSpace(
  folders: readonly string[],
  signal: AbortSignal,
  enough = Number.POSITIVE_INFINITY,
): Promise<number> {
  return (await treeSize(folders, { signal, enough })).bytes;
}
