import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { RitmoError } from '../../errors.js';
import type { ToolSpec } from '../../executor/sandbox.js';
import type { SourceAddress } from './address.js';
import { credentialFiles } from './credentials.js';

export interface GitSetup {
  readonly env: Readonly<Record<string, string>>;
  readonly files: NonNullable<ToolSpec['files']>;
}

export interface GitSetupRequest {
  readonly address: SourceAddress;
  readonly secret: string | undefined;
  /** PEM file of authorities that are trusted beside the usual ones. */
  readonly caFile?: string;
  /** Known hosts of ssh: with it an unknown host is refused, without it its first key is believed. */
  readonly knownHostsFile?: string;
  /** Of the job: its proxies hold for git too. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Finds the configuration in the tool's folder, whose place only the tool itself learns. */
const configure = `GIT_CONFIG_GLOBAL="$RITMO_TOOL_DIR/gitconfig"
export GIT_CONFIG_GLOBAL
if [ -f "$RITMO_TOOL_DIR/ca.pem" ]; then
  GIT_SSL_CAINFO="$RITMO_TOOL_DIR/ca.pem"
  export GIT_SSL_CAINFO
fi
`;

/** What a call of git runs; its arguments follow. Several commands in one call spare the start of a sandbox. */
export const scripts = {
  /** Any one command. */
  git: `${configure}exec git "$@"\n`,
  /** The URL, then options of init. */
  init: `${configure}url=$1; shift
git init --quiet --template= "$@" || exit
exec git remote add -- origin "$url"
`,
  /** What to check out; prints the hash of the commit. */
  checkout: `${configure}git checkout --force --detach "$1" || exit
exec git rev-parse --verify 'HEAD^{commit}'
`,
} as const;

const startSsh = `set -- -F /dev/null -o BatchMode=yes -o ConnectTimeout=30 -o IdentitiesOnly=yes "$@"
if [ -f "$RITMO_TOOL_DIR/ssh-key" ]; then set -- -i "$RITMO_TOOL_DIR/ssh-key" "$@"; fi
if [ -f "$RITMO_TOOL_DIR/known_hosts" ]; then
  set -- -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=$RITMO_TOOL_DIR/known_hosts" "$@"
else
  set -- -o StrictHostKeyChecking=accept-new -o "UserKnownHostsFile=$RITMO_TOOL_DIR/new_hosts" "$@"
fi
exec ssh "$@"
`;

/** No hooks, no background work, and of the owners of repositories none is wrong: the sandbox is the boundary. */
const baseConfig = `[core]
	hooksPath = /dev/null
	fsmonitor = false
[safe]
	directory = *
[credential]
	helper =
[init]
	defaultBranch = main
[advice]
	detachedHead = false
[gc]
	auto = 0
[maintenance]
	auto = false
[submodule]
	recurse = false
[http]
	lowSpeedLimit = 1000
	lowSpeedTime = 60
`;
const askpassConfig = `[credential]
	helper = "!sh \\"$RITMO_TOOL_DIR/askpass\\""
`;
const proxyNames = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'];

/** Environment and files of every call of git for one source: nothing of the host's or the user's own configuration. */
export async function gitSetup(request: GitSetupRequest): Promise<GitSetup> {
  const login = credentialFiles(request.address, request.secret);
  const config = 'askpass' in login ? baseConfig + askpassConfig : baseConfig;
  const files: Record<string, { content: string; mode: number }> = {
    ...login,
    gitconfig: { content: config, mode: 0o400 },
  };
  if (request.caFile !== undefined) {
    const own = await readPolicyFile(request.caFile);
    files['ca.pem'] = { content: [own.trimEnd(), ...rootCertificates, ''].join('\n'), mode: 0o400 };
  }
  if (request.address.kind === 'ssh') {
    files['ssh'] = { content: startSsh, mode: 0o500 };
    if (request.knownHostsFile !== undefined) {
      files['known_hosts'] = { content: await readPolicyFile(request.knownHostsFile), mode: 0o400 };
    }
  }
  return { env: environment(request), files };
}

function environment({ address, env = {} }: GitSetupRequest): Record<string, string> {
  const proxies = proxyNames.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return {
    ...Object.fromEntries(proxies),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TEMPLATE_DIR: '',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: address.kind === 'local' ? 'file' : 'https:ssh',
    GIT_SSH_COMMAND: 'sh "$RITMO_TOOL_DIR/ssh"',
    GIT_SSH_VARIANT: 'ssh',
  };
}

async function readPolicyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new RitmoError('RITMO_SOURCE_FAILED', `The worker cannot read ${path}, which its policy names for sources.`, {
      cause: error,
      retryable: false,
      hint: 'Ask the operator of the worker.',
    });
  }
}
