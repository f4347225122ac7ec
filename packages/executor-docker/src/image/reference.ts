import { RitmoError } from '@ritmo/agent-core/executor';

/** An image reference with nothing left to default. */
export interface ImageReference {
  /** As daemons name it on the wire: `docker.io`, `registry.example.com:5000`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
  /** `docker.io/library/node:22`: what the operator's globs are matched against. */
  readonly full: string;
  /** What the daemon is asked for. */
  readonly pullable: string;
}

const name = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const host = /^(?:localhost|[A-Za-z0-9.-]*\.[A-Za-z0-9.-]*|[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:]+\](?::\d{1,5})?)$/;

/**
 * Reads `[registry/]repository[:tag][@sha256:…]` as Docker does.
 * @throws RITMO_IMAGE_INVALID
 */
export function parseReference(text: string): ImageReference {
  const [beforeDigest = '', digest, ...rest] = text.split('@');
  const tagAt = beforeDigest.lastIndexOf(':');
  const hasTag = tagAt > beforeDigest.lastIndexOf('/');
  const path = hasTag ? beforeDigest.slice(0, tagAt) : beforeDigest;
  const tag = hasTag ? beforeDigest.slice(tagAt + 1) : digest === undefined ? 'latest' : undefined;
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const named = host.test(first);
  const registry = named && first !== 'index.docker.io' ? first : 'docker.io';
  const bare = named ? path.slice(slash + 1) : path;
  const repository = registry === 'docker.io' && !bare.includes('/') ? `library/${bare}` : bare;
  const wrong =
    rest.length > 0 ||
    !name.test(bare) ||
    text.length > 512 ||
    (tag !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag)) ||
    (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest));
  if (wrong) {
    throw new RitmoError('RITMO_IMAGE_INVALID', `${JSON.stringify(text.slice(0, 200))} is no image reference.`);
  }
  const suffix = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
    full: `${registry}/${repository}${suffix}`,
    pullable: `${named ? `${registry}/` : ''}${bare}${suffix}`,
  };
}
