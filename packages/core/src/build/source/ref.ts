import { RitmoError } from '../../errors.js';

/** One way to read `source.ref`, tried in order. */
export type RefReading =
  | { readonly kind: 'ref'; readonly remote: string; readonly local: string | undefined }
  | { readonly kind: 'commit'; readonly hash: string }
  | { readonly kind: 'short'; readonly prefix: string };

/** What git could take for an option, a refspec, a pattern or a revision with operators. */
const safe = /^[A-Za-z0-9_][A-Za-z0-9._/@+-]*$/;

/** The ways a ref can be meant: a branch before a tag of the same name, then the start of a commit's hash. */
export function readingsOf(ref: string | undefined): readonly RefReading[] {
  if (ref === undefined || ref === 'HEAD') return [{ kind: 'ref', remote: 'HEAD', local: undefined }];
  if (!isSafe(ref)) {
    throw new RitmoError('RITMO_SOURCE_REF', `${JSON.stringify(ref)} cannot be the name of a branch, tag or commit.`);
  }
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref)) return [{ kind: 'commit', hash: ref.toLowerCase() }];
  if (ref.startsWith('refs/')) return [{ kind: 'ref', remote: ref, local: localOf(ref) }];
  const readings: RefReading[] = [`refs/heads/${ref}`, `refs/tags/${ref}`].map((remote) => ({
    kind: 'ref',
    remote,
    local: localOf(remote),
  }));
  if (/^[0-9a-f]{4,63}$/i.test(ref)) readings.push({ kind: 'short', prefix: ref.toLowerCase() });
  return readings;
}

function isSafe(ref: string): boolean {
  if (ref.length > 255 || !safe.test(ref) || ref.includes('..') || ref.includes('@{') || ref.includes('//'))
    return false;
  return ref
    .split('/')
    .every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.') && !part.endsWith('.lock'));
}

function localOf(remote: string): string | undefined {
  if (remote.startsWith('refs/heads/')) return `refs/remotes/origin/${remote.slice('refs/heads/'.length)}`;
  return remote.startsWith('refs/tags/') ? remote : undefined;
}
