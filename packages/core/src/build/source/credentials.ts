import { RitmoError } from '../../errors.js';
import type { ToolSpec } from '../../executor/sandbox.js';
import type { SourceAddress } from './address.js';

type ToolFiles = NonNullable<ToolSpec['files']>;

/**
 * Git asks this program for a login. It answers for the one host that the credentials are for, over https, and says
 * nothing for any other: not after a redirect, and not to a submodule elsewhere.
 */
const askpass = `[ "$1" = get ] || exit 0
protocol= host=
while IFS='=' read -r key value; do
  case "$key" in
    protocol) protocol=$value ;;
    host) host=$value ;;
  esac
done
[ "$protocol" = https ] || exit 0
[ "$host" = "$(cat "$RITMO_TOOL_DIR/askpass-host")" ] || exit 0
cat "$RITMO_TOOL_DIR/askpass-login"
`;

/** User name where a secret is a token alone; GitHub asks for this one, others take any. */
const tokenUser = 'x-access-token';

/**
 * The files from which git gets a login: `user:password` or a token for https, a private key for ssh. They lie in
 * the tool's memory-backed folder and nowhere else. Throws RITMO_SOURCE_AUTH for a secret that cannot be one.
 */
export function credentialFiles(address: SourceAddress, secret: string | undefined): ToolFiles {
  if (secret === undefined || address.kind === 'local') return {};
  if (address.kind === 'ssh') return { 'ssh-key': { content: privateKey(secret), mode: 0o600 } };
  return {
    askpass: { content: askpass, mode: 0o500 },
    'askpass-host': { content: address.host, mode: 0o400 },
    'askpass-login': { content: login(secret), mode: 0o400 },
  };
}

function login(secret: string): string {
  const value = secret.replace(/\r?\n$/, '');
  // oxlint-disable-next-line no-control-regex
  if (value === '' || /[\u0000\r\n]/.test(value)) throw unusable('is empty or has more than one line');
  const colon = value.indexOf(':');
  const [user, password] = colon < 0 ? [tokenUser, value] : [value.slice(0, colon), value.slice(colon + 1)];
  if (user === '' || password === '') throw unusable('has no user or no password beside its colon');
  return `username=${user}\npassword=${password}\n`;
}

function privateKey(secret: string): string {
  if (!/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(secret.trimStart())) throw unusable('is not a private key');
  return `${secret.trim()}\n`;
}

function unusable(what: string): RitmoError {
  return new RitmoError('RITMO_SOURCE_AUTH', `The secret in \`source.credentials\` ${what}.`, {
    hint: 'For https give `user:password` or a token, for ssh a private key.',
  });
}
