import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

export interface GitServer extends AsyncDisposable {
  /** `https://127.0.0.1:PORT` */
  readonly url: string;
  /** PEM file of the authority that vouches for it. */
  readonly caFile: string;
  /** The Authorization header of each request, or `-`. */
  readonly logins: string[];
  /** `user:password` that every request must bring; open where absent. */
  login: string | undefined;
  /** Where requests below /moved/ are sent to. */
  moved: string | undefined;
  /** Speaks like a server of old, which gives out no commit that is not the tip of a ref. */
  old: boolean;
  /** Answers the next requests with 500. */
  failures: number;
}

/** A real git server: https, `git http-backend`, a password where wanted. */
export async function gitServer(root: string): Promise<GitServer> {
  const pem = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-ca-'));
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, pem.cert);
  const http = createServer({ key: pem.private, cert: pem.cert }, (request, response) => answer(request, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const server: GitServer = {
    url: `https://127.0.0.1:${(http.address() as AddressInfo).port}`,
    caFile,
    logins: [],
    login: undefined,
    moved: undefined,
    old: false,
    failures: 0,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };

  function answer(request: IncomingMessage, response: ServerResponse): void {
    server.logins.push(decode(request.headers.authorization));
    const url = request.url ?? '';
    if (server.failures-- > 0) return void response.writeHead(500).end();
    if (server.moved !== undefined && url.startsWith('/moved/')) {
      return void response.writeHead(302, { location: server.moved + url.slice('/moved'.length) }).end();
    }
    if (server.login !== undefined && server.logins.at(-1) !== server.login) {
      return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
    }
    backend(root, request, response, server.old);
  }
  return server;
}

function decode(header: string | undefined): string {
  return header === undefined ? '-' : Buffer.from(header.replace('Basic ', ''), 'base64').toString();
}

function backend(root: string, request: IncomingMessage, response: ServerResponse, old: boolean): void {
  const [path, query = ''] = (request.url ?? '').split('?');
  const { headers } = request;
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: headers['content-encoding'] ?? '',
      ...(old ? {} : { HTTP_GIT_PROTOCOL: String(headers['git-protocol'] ?? '') }),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    const whole = Buffer.concat(chunks);
    const end = whole.indexOf('\r\n\r\n');
    const head = whole.subarray(0, end).toString().split('\r\n');
    const fields = head.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]);
    const status = fields.find(([name]) => name === 'Status')?.[1] ?? '200';
    response.writeHead(Number.parseInt(status, 10), Object.fromEntries(fields.filter(([name]) => name !== 'Status')));
    response.end(whole.subarray(end + 4));
  });
}
