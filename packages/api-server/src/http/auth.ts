import { timingSafeEqual } from 'node:crypto';
import { protocolVersion } from '@ritmo/protocol';
import type { Role } from '@ritmo/protocol/routes';
import { ApiError } from '../errors.js';
import { type TokenOwner, type TokenStore, hashOf } from '../store/tokens.js';

/** Who calls. */
export type Identity = TokenOwner | { readonly role: 'user' | 'registration' | 'none' };

/** Finds out who calls, by the bearer token. */
export class Authenticator {
  readonly #fixed: readonly { readonly role: 'user' | 'registration'; readonly hash: Buffer }[];
  readonly #tokens: TokenStore;

  constructor(fixed: { readonly user: string; readonly registration: string }, tokens: TokenStore) {
    this.#fixed = (['user', 'registration'] as const).map((role) => ({ role, hash: Buffer.from(hashOf(fixed[role])) }));
    this.#tokens = tokens;
  }

  /** The caller; throws RITMO_UNAUTHORIZED without a known token and RITMO_FORBIDDEN for another role. */
  identify(authorization: string | undefined, roles: readonly Role[]): Identity {
    if (roles.includes('none')) return { role: 'none' };
    const token = /^Bearer +([^\s]{1,512})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new ApiError('RITMO_UNAUTHORIZED', 'The call has no bearer token.');
    const hash = Buffer.from(hashOf(token));
    const identity = this.#fixed.find((one) => timingSafeEqual(one.hash, hash)) ?? this.#tokens.find(token);
    if (!identity) throw new ApiError('RITMO_UNAUTHORIZED', 'The token is not known.');
    if (!roles.includes(identity.role))
      throw new ApiError(
        'RITMO_FORBIDDEN',
        `The call takes a ${roles.join(' or ')} token; this is a ${identity.role} token.`,
      );
    return identity.role === 'user' || identity.role === 'registration' ? { role: identity.role } : identity;
  }
}

/** Refuses a protocol version that this server does not speak; a call that names none is taken as ours. */
export function checkProtocol(version: string | undefined): void {
  if (version === undefined || version === String(protocolVersion)) return;
  throw new ApiError(
    'RITMO_PROTOCOL_VERSION',
    `The server speaks version ${protocolVersion} of the worker API, the call ${JSON.stringify(version)}.`,
  );
}
