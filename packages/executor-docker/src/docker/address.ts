import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { type DaemonInfo, DockerClient, type DockerAddress } from './client.js';
import { DockerError } from './error.js';
import { type Refused, remedyOf } from './remedy.js';

/** A daemon that answered. */
export interface Daemon {
  readonly client: DockerClient;
  readonly address: string;
  readonly info: DaemonInfo;
  /** Addresses that were tried before it, and what each of them said. */
  readonly refused: readonly string[];
}

const answerMs = 10_000;

/**
 * The daemon that the operator named, or else that of DOCKER_HOST, or else the first of the usual sockets that answers.
 * @throws RITMO_EXECUTOR_UNAVAILABLE with why each address was refused, and what mends it.
 */
export async function findDaemon(named: string | undefined): Promise<Daemon> {
  const wanted = named ?? process.env['DOCKER_HOST'];
  const addresses = wanted === undefined || wanted === '' ? usualAddresses() : [wanted];
  const refused: Refused[] = [];
  for (const address of addresses) {
    const client = new DockerClient(parseAddress(address));
    try {
      const info = await client.info(AbortSignal.timeout(answerMs));
      return { client, address, info, refused: refused.map(shown) };
    } catch (error) {
      refused.push({ address, error: DockerError.from(error) });
    }
  }
  throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `No Docker daemon answers: ${refused.map(shown).join(', ')}.`, {
    hint: remedyOf(refused),
    cause: refused[0]?.error,
  });
}

const shown = ({ address, error }: Refused) => `${address} (${error.errno ?? error.message.trim()})`;

function usualAddresses(): string[] {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const rootless = runtime === undefined ? [] : [join(runtime, 'docker.sock'), join(runtime, 'podman/podman.sock')];
  return ['/var/run/docker.sock', ...rootless, '/run/podman/podman.sock'].map((path) => `unix://${path}`);
}

function parseAddress(address: string): DockerAddress {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new RitmoError('RITMO_USAGE', `${JSON.stringify(address)} is no address of a Docker daemon.`, {
      hint: 'Use unix:///var/run/docker.sock or tcp://host:2376. For ssh, forward the socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST.',
    });
  }
  // As the docker command has it.
  const verify = (process.env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const folder = process.env['DOCKER_CERT_PATH'] ?? process.env['DOCKER_CONFIG'] ?? join(homedir(), '.docker');
  const secure = url.protocol === 'https:' || verify;
  const port = Number(url.port === '' ? (secure ? 2376 : 2375) : url.port);
  const where = { host: url.hostname, port, protocol: secure ? 'https' : 'http' } as const;
  if (!verify) return where;
  const read = (name: string) => readCertificate(join(folder, `${name}.pem`));
  return { ...where, tls: { ca: read('ca'), cert: read('cert'), key: read('key') } };
}

function readCertificate(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new RitmoError(
      'RITMO_EXECUTOR_UNAVAILABLE',
      `${path} cannot be read, which TLS to the Docker daemon needs.`,
      {
        hint: 'DOCKER_CERT_PATH names the folder with ca.pem, cert.pem and key.pem.',
        cause: error,
      },
    );
  }
}
