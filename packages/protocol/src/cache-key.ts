/** A piece of a cache key: text as it is, or what is put in its place. */
export type CacheKeyPiece =
  | { readonly kind: 'text'; readonly text: string }
  /** The hash of the files that match. */
  | { readonly kind: 'hash'; readonly patterns: readonly string[] }
  /** `linux`, `x64`: of the worker. */
  | { readonly kind: 'os' | 'arch' };

/**
 * The pieces of a key such as `npm-{{ os }}-{{ hash 'package-lock.json' }}`.
 * Throws an Error with one sentence for what cannot be read.
 */
export function parseCacheKey(key: string): CacheKeyPiece[] {
  const pieces: CacheKeyPiece[] = [];
  let rest = key;
  while (rest !== '') {
    const open = rest.indexOf('{{');
    if (open === -1) {
      pieces.push({ kind: 'text', text: rest });
      break;
    }
    if (open > 0) pieces.push({ kind: 'text', text: rest.slice(0, open) });
    const close = rest.indexOf('}}', open);
    if (close === -1) throw new Error('has a `{{` without its `}}`');
    pieces.push(pieceOf(rest.slice(open + 2, close).trim()));
    rest = rest.slice(close + 2);
  }
  return pieces;
}

function pieceOf(expression: string): CacheKeyPiece {
  if (expression === 'os' || expression === 'arch') return { kind: expression };
  const patterns = [...expression.matchAll(/\s'([^']+)'/g)].map(([, pattern]) => pattern ?? '');
  if (!/^hash(\s+'[^']+')+$/.test(expression))
    throw new Error("may hold {{ hash 'FILE' }}, {{ os }} and {{ arch }} only");
  const outside = patterns.some((pattern) => pattern.startsWith('/') || pattern.split('/').includes('..'));
  if (outside) throw new Error('may hash files of the workspace only');
  return { kind: 'hash', patterns };
}

/** What is wrong with a key, as the end of a sentence; undefined for one that can be read. */
export function cacheKeyProblem(key: string): string | undefined {
  try {
    parseCacheKey(key);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
