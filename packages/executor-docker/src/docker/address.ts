import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import { type DaemonInfo, DockerClient, type DockerAddress } from './client.js';
import { DockerError } from './error.js';

/** A daemon that answered. */
export interface Daemon {
  readonly client: DockerClient;
  readonly address: string;
  readonly info: DaemonInfo;
}

const answerMs = 10_000;

/**
 * The daemon that the operator named, or else that of DOCKER_HOST, or else the first of the usual sockets that answers.
 * @throws RITMO_EXECUTOR_UNAVAILABLE with why each address was refused, and what mends it.
 */
export async function findDaemon(named: string | undefined): Promise<Daemon> {
  const wanted = named ?? process.env['DOCKER_HOST'];
  const addresses = wanted === undefined || wanted === '' ? usualAddresses() : [wanted];
  const refused: Array<{ address: string; error: DockerError }> = [];
  for (const address of addresses) {
    const client = new DockerClient(parseAddress(address));
    try {
      return { client, address, info: await client.info(AbortSignal.timeout(answerMs)) };
    } catch (error) {
      refused.push({ address, error: DockerError.from(error) });
    }
  }
  const why = refused.map(({ address, error }) => `${address} (${error.errno ?? error.message})`).join(', ');
  throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `No Docker daemon answers: ${why}.`, {
    hint: remedyOf(refused.map(({ error }) => error.errno)),
    cause: refused[0]?.error,
  });
}

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
      hint: 'Use unix:///var/run/docker.sock or tcp://host:2376.',
    });
  }
  const folder = process.env['DOCKER_TLS_VERIFY'] === '1' ? process.env['DOCKER_CERT_PATH'] : undefined;
  const secure = url.protocol === 'https:' || folder !== undefined;
  const port = Number(url.port === '' ? (secure ? 2376 : 2375) : url.port);
  const read = (name: string) => readFileSync(join(folder ?? '', `${name}.pem`));
  return {
    host: url.hostname,
    port,
    protocol: secure ? 'https' : 'http',
    ...(folder === undefined ? {} : { tls: { ca: read('ca'), cert: read('cert'), key: read('key') } }),
  };
}

function remedyOf(errnos: ReadonlyArray<string | undefined>): string {
  if (errnos.includes('EACCES')) {
    return 'This user may not use the socket: `sudo usermod -aG docker $USER` and log in again. (Who is in that group is root.)';
  }
  if (errnos.includes('ECONNREFUSED')) return 'The daemon does not run: `sudo systemctl start docker`.';
  return 'Install Docker (`sudo apt-get install docker.io`) and start it (`sudo systemctl start docker`), or set DOCKER_HOST.';
}
