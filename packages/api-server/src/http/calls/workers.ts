import type { OpenAPIHono } from '@hono/zod-openapi';
import { routes } from '@ritmo/protocol/routes';
import type { WorkerEvent } from '@ritmo/protocol';
import { adopt } from '../../workers/adoption.js';
import type { EventStream } from '../../workers/events.js';
import type { Authenticator } from '../auth.js';
import { type Env, bind } from '../bind.js';
import { callingWorker } from '../callers.js';
import type { Services } from '../services.js';

/** Calls of a worker about itself. */
export function bindWorkerCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { registry, claims, events, settings } = services;

  bind(app, authenticator, routes.registerWorker, ({ body }) =>
    Response.json(registry.register(body), { status: 201 }),
  );

  bind(app, authenticator, routes.updateWorker, ({ identity, params, body }) => {
    registry.update(callingWorker(services, identity, params.id), body);
    return Response.json({});
  });

  bind(app, authenticator, routes.adoptLeases, ({ identity, params, body }) => {
    const worker = callingWorker(services, identity, params.id);
    return Response.json({ adoptions: adopt(services, worker, body) });
  });

  bind(app, authenticator, routes.heartbeat, ({ identity, params, body }) =>
    Response.json(registry.heartbeat(callingWorker(services, identity, params.id), body)),
  );

  bind(app, authenticator, routes.claimJobs, async ({ context, identity, params, body }) => {
    const worker = callingWorker(services, identity, params.id);
    const gone = new AbortController();
    const { outgoing } = context.env;
    const onClose = () => gone.abort();
    outgoing.once('close', onClose);
    try {
      const offers = await claims.claim(worker, body, gone.signal);
      return offers.length > 0 ? Response.json({ offers }) : new Response(null, { status: 204 });
    } finally {
      outgoing.off('close', onClose);
    }
  });

  bind(app, authenticator, routes.workerEvents, ({ identity, params, query, headers }) => {
    const worker = callingWorker(services, identity, params.id);
    const after = query.after ?? headers['Last-Event-ID'] ?? 0;
    return new Response(eventStream(services, worker.id, after, settings.keepaliveMs), {
      headers: { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' },
    });
  });

  bind(app, authenticator, routes.deregisterWorker, ({ identity, params }) => {
    if (identity.role === 'worker') callingWorker(services, identity, params.id);
    registry.deregister(params.id);
    return new Response(null, { status: 204 });
  });

  services.closing.addEventListener('abort', () => {
    claims.close();
    events.close();
  });
}

/** The events of one worker as a stream; a comment now and then shows that it lives. */
function eventStream(
  services: Services,
  workerId: string,
  after: number,
  keepaliveMs: number,
): ReadableStream<Uint8Array> {
  const { events } = services;
  const encoder = new TextEncoder();
  let detach = () => {};
  return new ReadableStream<Uint8Array>({
    start(sink) {
      const write = (text: string) => sink.enqueue(encoder.encode(text));
      const keepalive = setInterval(() => write(': alive\n\n'), keepaliveMs);
      let ended = false;
      detach = () => {
        ended = true;
        clearInterval(keepalive);
        events.detach(workerId, stream);
      };
      const stream: EventStream = {
        send: (event: WorkerEvent) =>
          write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
        end: () => {
          if (ended) return;
          detach();
          sink.close();
        },
      };
      write(': begin\nretry: 1000\n\n');
      events.attach(workerId, after, stream);
      if (services.closing.aborted) stream.end();
    },
    cancel: () => detach(),
  });
}
