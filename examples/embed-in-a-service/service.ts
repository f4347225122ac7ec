import { Agent, HttpTransport, readiness } from '@ritmo/agent-core';
import { processExecutor } from '@ritmo/executor-process';
import Fastify, { type FastifyInstance } from 'fastify';

export interface ServiceOptions {
  readonly port: number;
  readonly stateDir: string;
  readonly apiServer: string;
  readonly registrationToken: string;
  /** How long builds may go on once the service is told to end, in milliseconds. */
  readonly drainMs: number;
}

export interface Service {
  readonly address: string;
  /** Resolves when all has ended; rejects when the worker broke. */
  readonly done: Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A web service that builds as well: one process, one port, one shutdown. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const agent = new Agent({
    transport: new HttpTransport({ apiServer: options.apiServer, registrationToken: options.registrationToken }),
    executors: [processExecutor()],
    stateDir: options.stateDir,
    maxConcurrent: 2,
    labels: { in: 'service' },
    shutdown: { drainMs: options.drainMs },
  });
  const web = routes(agent);
  // The port first: while the worker waits for its API server, probes are answered already.
  const address = await web.listen({ host: '127.0.0.1', port: options.port });
  // Not awaited: the API server may be away for long. `done` tells what goes wrong with the start.
  agent.start().catch(() => {});
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      // Builds first, the port last: whoever asks in between is told that the service drains.
      await agent.drain();
      await web.close();
    })();
    return closing;
  };
  // Also where the API server drains the worker: a service without it has nothing left to do.
  const done = agent.done.then(close, async (error: unknown) => {
    await web.close();
    throw error;
  });
  return { address, close, done };
}

function routes(agent: Agent): FastifyInstance {
  const web = Fastify();
  const recent: { jobId: string; outcome: string }[] = [];
  agent.on('job:finished', ({ jobId, outcome }) => {
    recent.unshift({ jobId, outcome });
    recent.splice(20);
  });
  web.get('/healthz', () => ({ ok: true }));
  web.get('/readyz', (_, reply) => {
    const { ready, reasons } = readiness(agent.status);
    return reply.code(ready ? 200 : 503).send({ state: agent.state, reasons });
  });
  web.get('/builds', () => ({ running: agent.status.worker?.running ?? [], recent }));
  return web;
}
