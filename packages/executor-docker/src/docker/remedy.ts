import type { DockerError } from './error.js';

/** An address at which no daemon answered as it should. */
export interface Refused {
  readonly address: string;
  readonly error: DockerError;
}

const overTcp = ({ address }: Refused) => !address.startsWith('unix://');
const tlsErrors = /certificate|tls|ssl|EPROTO|HTTP request to an HTTPS server|altnames|socket hang up|ECONNRESET/i;

/** What mends it, a command where there is one. */
export function remedyOf(refused: readonly Refused[]): string {
  const errnos = refused.map(({ error }) => error.errno);
  const remote = refused.find(overTcp);
  if (remote !== undefined && tlsErrors.test(`${remote.error.errno ?? ''} ${remote.error.message}`)) {
    return 'The daemon wants TLS, or other certificates: export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=…, a folder with ca.pem, cert.pem and key.pem.';
  }
  if (remote !== undefined) {
    return `Start the daemon of that host with \`--host ${remote.address}\` and TLS, or correct DOCKER_HOST; see whether it answers: \`docker --host ${remote.address} version\`.`;
  }
  if (errnos.includes('EACCES')) {
    return 'This user may not use the socket: `sudo usermod -aG docker $USER` and log in again. (Who is in that group is root.)';
  }
  if (errnos.includes('ECONNREFUSED')) return 'The daemon does not run: `sudo systemctl start docker`.';
  return 'Install Docker (`sudo apt-get install docker.io`) and start it (`sudo systemctl start docker`), or set DOCKER_HOST.';
}
