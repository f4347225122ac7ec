import { fileURLToPath } from 'node:url';
import { RitmoError } from '../../errors.js';

/** Where a source comes from, checked. */
export type SourceAddress =
  | { readonly kind: 'https'; readonly url: string; readonly host: string }
  | { readonly kind: 'ssh'; readonly url: string; readonly host: string }
  | { readonly kind: 'local'; readonly path: string };

const hostName = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])$/;
const userName = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
// The control characters are what is refused.
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u0020\u007f]/;

/**
 * Reads `source.git`: https, ssh (also `user@host:path`), and where the policy allows it a path or file:// URL of
 * this host. Everything else is RITMO_POLICY_REFUSED; credentials in it are RITMO_JOB_INVALID.
 */
export function parseSourceAddress(text: string, allowLocal: boolean): SourceAddress {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text)?.[1]?.toLowerCase();
  if (scheme === 'https') return httpsAddress(text);
  if (scheme === 'ssh') return sshAddress(text);
  if (scheme === 'file') return localAddress(filePath(text), allowLocal);
  if (scheme !== undefined) throw refused(`Sources are fetched over https or ssh, not ${scheme}.`);
  if (/^[A-Za-z0-9+.-]+::/.test(text)) throw refused('Transport helpers of git are not allowed.');
  if (/^[^/]*:/.test(text)) return scpAddress(text);
  return localAddress(text, allowLocal);
}

function httpsAddress(text: string): SourceAddress {
  const url = toUrl(text);
  if (url.username !== '' || url.password !== '') throw credentialsInside();
  if (url.hash !== '') throw invalid(text);
  // What git gets is what was checked here, so that both understand the same host.
  return { kind: 'https', url: url.href, host: url.host };
}

function sshAddress(text: string): SourceAddress {
  const url = toUrl(text);
  if (url.password !== '') throw credentialsInside();
  const user = url.username === '' || userName.test(url.username);
  if (!user || !hostName.test(url.hostname) || url.pathname.length < 2) throw invalid(text);
  return { kind: 'ssh', url: url.href, host: url.host };
}

function scpAddress(text: string): SourceAddress {
  const [, user, host, path] = /^(?:([^@/]*)@)?([^/:]*):(.*)$/.exec(text) ?? [];
  if (host === undefined || path === undefined || path === '' || unprintable.test(text)) throw invalid(text);
  if (!hostName.test(host) || (user !== undefined && !userName.test(user)) || path.startsWith('-')) throw invalid(text);
  return { kind: 'ssh', url: text, host };
}

function localAddress(path: string, allowed: boolean): SourceAddress {
  if (allowed) return { kind: 'local', path };
  throw refused('A repository on the disk of the worker would show its files to the job.');
}

function filePath(text: string): string {
  try {
    return fileURLToPath(text);
  } catch {
    throw invalid(text);
  }
}

function toUrl(text: string): URL {
  if (unprintable.test(text) || !URL.canParse(text)) throw invalid(text);
  return new URL(text);
}

function refused(message: string): RitmoError {
  return new RitmoError('RITMO_POLICY_REFUSED', message, {
    hint: 'Use an https or ssh address; local repositories need `ritmo-agent exec`, or the policy of the worker.',
  });
}

function invalid(text: string): RitmoError {
  return new RitmoError('RITMO_JOB_INVALID', `${JSON.stringify(text)} is not the address of a repository.`, {
    hint: 'Write it like https://example.org/team/app.git.',
  });
}

function credentialsInside(): RitmoError {
  return new RitmoError('RITMO_JOB_INVALID', 'The address of the source holds a user name or password.', {
    hint: 'Name a secret in `source.credentials` instead.',
  });
}
