import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { findProgram, unlessErrno } from '@ritmo/host-linux';
import type { Credentials } from '../docker/client.js';

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { auth?: string; identitytoken?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

const hub = 'https://index.docker.io/v1/';
const helperMs = 30_000;

/**
 * The operator's credentials for a registry, as the docker command finds them: config.json, and its credential
 * helpers, which are asked by their own protocol. Undefined where there are none.
 */
export async function operatorCredentials(
  folder: string | undefined,
  registry: string,
): Promise<Credentials | undefined> {
  const path = join(folder ?? process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const config = readConfig(path);
  if (config === undefined) return undefined;
  const keys = registry === 'docker.io' ? [hub, 'docker.io', 'index.docker.io'] : [registry, `https://${registry}`];
  for (const key of keys) {
    const helper = config.credHelpers?.[key] ?? config.credsStore;
    const found = helper === undefined ? undefined : await askHelper(helper, key);
    if (found !== undefined) return { ...found, serveraddress: key };
    const entry = config.auths?.[key];
    const own = entry === undefined ? undefined : fromEntry(entry);
    if (own !== undefined) return { ...own, serveraddress: key };
  }
  return undefined;
}

function readConfig(path: string): DockerConfig | undefined {
  const text = unlessErrno(['ENOENT', 'ENOTDIR'], () => readFileSync(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    throw new RitmoError('RITMO_IMAGE_AUTH', `${path} of the worker is not JSON.`, {
      hint: 'Log in again with `docker login`, as the user of the agent.',
    });
  }
}

function fromEntry({ auth, identitytoken }: { auth?: string; identitytoken?: string }): Credentials | undefined {
  if (identitytoken !== undefined && identitytoken !== '') return { identitytoken };
  const pair = Buffer.from(auth ?? '', 'base64').toString();
  const split = pair.indexOf(':');
  return split < 0 ? undefined : { username: pair.slice(0, split), password: pair.slice(split + 1) };
}

/** Undefined where the helper has nothing for the registry. */
async function askHelper(helper: string, registry: string): Promise<Credentials | undefined> {
  const program = /^[A-Za-z0-9._-]+$/.test(helper) ? findProgram(`docker-credential-${helper}`) : undefined;
  if (program === undefined) {
    throw new RitmoError('RITMO_IMAGE_AUTH', `The credential helper docker-credential-${helper} is not installed.`, {
      hint: "Install it on the worker, or take it out of the agent's Docker config.",
    });
  }
  const output = await new Promise<string | undefined>((resolve) => {
    const child = execFile(program, ['get'], { timeout: helperMs }, (error, stdout) =>
      resolve(error === null ? stdout : undefined),
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(registry);
  });
  if (output === undefined) return undefined;
  const { Username: username = '', Secret: secret = '' } = JSON.parse(output) as { Username?: string; Secret?: string };
  return username === '<token>' ? { identitytoken: secret } : { username, password: secret };
}
