/**
 * Whether a link at `path` with this target stays below the root, whatever other links lie on its way: it must be
 * relative, and climb only at its beginning, so that no link in its middle can be climbed out of.
 */
export function linkStaysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\u0000')) return false;
  let depth = path.split('/').length - 1;
  let climbing = true;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') {
      climbing = false;
      continue;
    }
    depth--;
    if (!climbing || depth < 0) return false;
  }
  return true;
}
