import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Agent } from '../agent/agent.js';
import { RitmoError } from '../errors.js';
import type { Logger } from '../executor/host.js';
import { AgentMetrics } from './metrics.js';
import { readiness } from './readiness.js';

/** Where it listens. */
export interface HealthServerOptions {
  /** Address or name; 127.0.0.1 for this machine alone. */
  readonly host: string;
  /** 0 takes one that is free. */
  readonly port: number;
  /** Told what could not be answered. */
  readonly log: Logger;
}

/** Listens until it is disposed. */
export interface HealthServer extends AsyncDisposable {
  /** Without a path, and without a slash at its end. */
  readonly url: string;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Answers `/healthz`, `/readyz`, `/status` and `/metrics` for an agent. It asks for no token and tells labels, job ids
 * and paths; give it an address that only those reach who may know them.
 * @throws RITMO_USAGE where the address cannot be listened on
 */
export async function startHealthServer(agent: Agent, options: HealthServerOptions): Promise<HealthServer> {
  const { host, port, log } = options;
  const metrics = new AgentMetrics(agent);
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) => {
    request.resume();
    const path = request.url?.split('?', 1)[0] ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, plain(405, 'GET or HEAD only\n'));
      return;
    }
    answer(agent, metrics, path).then(
      (said) => send(response, said),
      (error: unknown) => {
        log.error({ err: error, path }, 'a health request could not be answered');
        send(response, plain(500, 'see the log of the agent\n'));
      },
    );
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  }).catch((error: unknown) => {
    metrics[Symbol.dispose]();
    throw new RitmoError('RITMO_USAGE', `The health address cannot be used: ${(error as Error).message}.`, {
      cause: error,
      hint: 'Choose another --health-addr.',
    });
  });
  server.on('error', (error) => log.error({ err: error }, 'the health server failed'));
  const bound = server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${name}:${bound.port}`,
    async [Symbol.asyncDispose]() {
      metrics[Symbol.dispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(agent: Agent, metrics: AgentMetrics, path: string): Promise<Answer> {
  switch (path) {
    case '/healthz':
      return agent.state === 'failed' ? plain(503, 'failed\n') : plain(200, 'ok\n');
    case '/readyz': {
      const said = readiness(agent.status);
      return json(said.ready ? 200 : 503, said);
    }
    case '/status':
      return json(200, agent.status);
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    default:
      return plain(404, 'There are /healthz, /readyz, /status and /metrics.\n');
  }
}

const plain = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body });
const json = (status: number, value: object): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});

function send(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
