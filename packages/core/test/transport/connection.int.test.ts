import { createServer as createProxy, type Server } from 'node:http';
import { createServer, type Server as SecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { HttpTransport, type HttpTransportOptions } from '../../src/transport/index.js';
import { fakeServer, json } from './fake-server.js';
import { fastClock, info, lease, never, registrationAnswer, transportTo } from './support.js';

let pem: { cert: string; private: string };
const open: (Server | SecureServer)[] = [];

beforeAll(async () => {
  pem = await generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 2, value: 'ci.test' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
});

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(server: Server | SecureServer): Promise<number> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An https server that answers registrations and says who called. */
function secureServer(clients: string[], requestCert = false): SecureServer {
  return createServer(
    { key: pem.private, cert: pem.cert, requestCert, ca: pem.cert, rejectUnauthorized: requestCert },
    (request, response) => {
      clients.push(String((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN));
      response.writeHead(201).end(JSON.stringify(registrationAnswer));
    },
  );
}

function transport(options: Partial<HttpTransportOptions> & { apiServer: string }): HttpTransport {
  return new HttpTransport({ registrationToken: async () => 'reg', ...options });
}

describe('the connection to the API server', () => {
  it('trusts an authority that it is given', async () => {
    const port = await listen(secureServer([]));
    await using trusting = transport({ apiServer: `https://localhost:${port}`, ca: pem.cert });
    await expect(trusting.register(info, never())).resolves.toEqual(registrationAnswer);
  });

  it('trusts no other', async () => {
    const port = await listen(secureServer([]));
    const controller = new AbortController();
    const lines: string[] = [];
    const warn = (_fields: object, message: string) => {
      lines.push(message);
      controller.abort(new Error('seen'));
    };
    const log = { child: () => log, debug() {}, info() {}, warn, error() {} };
    await using doubting = transport({ apiServer: `https://localhost:${port}`, log, clock: fastClock() });
    await expect(doubting.register(info, controller.signal)).rejects.toThrow('seen');
    expect(lines.join()).toMatch(/certificate/i);
  });

  it('shows its client certificate, but not to a store elsewhere', async () => {
    const clients: string[] = [];
    const port = await listen(secureServer(clients, true));
    await using known = transport({
      apiServer: `https://localhost:${port}`,
      ca: pem.cert,
      cert: pem.cert,
      key: pem.private,
    });
    await known.register(info, never());
    expect(clients).toEqual(['localhost']);
    const target = { url: `https://localhost:${port}/bucket/x?signature=s`, headers: {} };
    const upload = known.artifacts.upload(lease, target, (async function* () {})(), 0, never());
    await expect(upload).rejects.toMatchObject({ code: 'RITMO_SERVER_UNREACHABLE' });
    expect(clients).toHaveLength(1);
  });

  it('refuses a certificate without its key', () => {
    expect(() => transport({ apiServer: 'localhost', cert: 'x' })).toThrow(
      expect.objectContaining({ code: 'RITMO_USAGE' }),
    );
  });

  it('goes through the proxy of the environment, except to loopback and to hosts of NO_PROXY', async () => {
    await using server = await fakeServer(json(201, registrationAnswer));
    const asked: string[] = [];
    const proxy = createProxy();
    proxy.on('connect', (request, client) => {
      asked.push(String(request.url));
      const upstream = connect(Number(server.address.split(':')[1]), '127.0.0.1', () => {
        client.write('HTTP/1.1 200 ok\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    });
    const port = await listen(proxy);
    for (const name of ['HTTP_PROXY', 'http_proxy']) vi.stubEnv(name, `http://127.0.0.1:${port}`);
    for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, 'direct.test');
    await using far = transport({ apiServer: 'http://ci.test:8080', insecure: true });
    await far.register(info, never());
    expect(asked).toEqual(['ci.test:8080']);
    await using near = transportTo(server);
    await near.register(info, never());
    expect(asked).toHaveLength(1);
    const controller = new AbortController();
    const clock = { ...fastClock(), sleep: async () => controller.abort(new Error('no proxy')) };
    await using direct = transport({ apiServer: 'http://direct.test:9', insecure: true, clock });
    await expect(direct.register(info, controller.signal)).rejects.toThrow('no proxy');
    expect(asked).toHaveLength(1);
  });

  it('is kept alive from call to call', async () => {
    await using server = await fakeServer(json(201, registrationAnswer));
    const sockets = new Set<unknown>();
    server.otherwise = (seen, response, socket) => {
      sockets.add(socket);
      return json(201, registrationAnswer)(seen, response, socket);
    };
    await using kept = transportTo(server);
    for (let n = 0; n < 5; n++) await kept.register(info, never());
    expect(sockets.size).toBeLessThanOrEqual(2);
  });
});
