import type { OpenAPIHono } from '@hono/zod-openapi';
import { routes } from '@ritmo/protocol/routes';
import { workerSummaryOf } from '../../jobs/views.js';
import type { Desired } from '../../store/workers.js';
import type { Authenticator } from '../auth.js';
import { type Env, bind } from '../bind.js';
import type { Services } from '../services.js';

/** Calls of operators about workers, and of tools about the server. */
export function bindOperatorCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { registry, directory, leases } = services;
  const commands = [
    [routes.pauseWorker, 'pause'],
    [routes.resumeWorker, 'run'],
    [routes.drainWorker, 'drain'],
  ] as const;

  for (const [route, desired] of commands)
    bind(app, authenticator, route, ({ params }) =>
      Response.json(workerSummaryOf(registry.command(params.id, desired satisfies Desired), directory, leases)),
    );

  bind(app, authenticator, routes.listWorkers, () =>
    Response.json({ workers: directory.all().map((worker) => workerSummaryOf(worker, directory, leases)) }),
  );

  bind(app, authenticator, routes.health, () => Response.json({ status: 'ok' }));

  bind(
    app,
    authenticator,
    routes.metrics,
    () =>
      new Response(services.metrics.text(services), {
        headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' },
      }),
  );

  bind(
    app,
    authenticator,
    routes.openApi,
    () => new Response(services.openApi, { headers: { 'Content-Type': 'application/json' } }),
  );
}
