import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as the server got it, whole. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Behaviour = (seen: Seen, response: ServerResponse, socket: Socket) => void | Promise<void>;

export interface FakeServer extends AsyncDisposable {
  readonly address: string;
  readonly seen: Seen[];
  /** How the next requests are answered, one each; after that the rule in `otherwise`. */
  readonly script: Behaviour[];
  otherwise: Behaviour;
  close(): Promise<void>;
}

/** A real HTTP server on loopback that misbehaves as told. */
export async function fakeServer(otherwise: Behaviour = json(200, {}), port = 0): Promise<FakeServer> {
  const seen: Seen[] = [];
  const script: Behaviour[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => {
      const entry = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks),
      };
      seen.push(entry);
      void (script.shift() ?? fake.otherwise)(entry, response, request.socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const fake: FakeServer = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    script,
    otherwise,
    close,
    [Symbol.asyncDispose]: close,
  };
  return fake;
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): Behaviour {
  return (_seen, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
}

export function refusal(status: number, code: string, more: object = {}): Behaviour {
  return json(status, { error: { code, message: `no: ${code}`, retryable: false, ...more } });
}

export function page(status: number, headers: Record<string, string> = {}): Behaviour {
  return (_seen, response) => {
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<html>deploying</html>');
  };
}

/** An answer that ends in its middle. */
export function cut(value: unknown): Behaviour {
  return (_seen, response, socket) => {
    const text = JSON.stringify(value);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
    response.write(text.slice(0, text.length / 2), () => socket.destroy());
  };
}

/** Half of the JSON, but a whole HTTP answer: what a broken proxy makes of it. */
export function half(value: unknown): Behaviour {
  return (_seen, response) => {
    const text = JSON.stringify(value);
    response.writeHead(200, { 'content-type': 'application/json' }).end(text.slice(0, text.length / 2));
  };
}

export const reset: Behaviour = (_seen, _response, socket) => {
  socket.resetAndDestroy();
};
