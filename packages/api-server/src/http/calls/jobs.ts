import type { OpenAPIHono } from '@hono/zod-openapi';
import { labelKey } from '@ritmo/protocol';
import { idempotencyHeader, routes } from '@ritmo/protocol/routes';
import { ApiError, notFound } from '../../errors.js';
import { detailOf, placementOf, summaryOf } from '../../jobs/views.js';
import type { JobRow } from '../../store/jobs.js';
import type { Authenticator } from '../auth.js';
import { type Env, bind } from '../bind.js';
import { pageOf } from '../pages.js';
import type { Services } from '../services.js';

const maxJobBytes = 1024 * 1024;
const defaultPage = 50;

/** Calls of people about jobs. */
export function bindJobCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { lifecycle, jobs } = services;

  bind(app, authenticator, routes.submitJob, ({ body, headers }) => {
    const bytes = Buffer.byteLength(JSON.stringify(body.job));
    if (bytes > maxJobBytes) throw new ApiError('RITMO_TOO_LARGE', `The job is larger than ${maxJobBytes} bytes.`);
    const { row, created } = lifecycle.submit({ ...body, key: headers[idempotencyHeader] });
    return Response.json(summaryOf(row), { status: created ? 201 : 200 });
  });

  bind(app, authenticator, routes.listJobs, ({ query }) => {
    const states = [query.state ?? []].flat();
    const labels = labelsOf([query.label ?? []].flat());
    const { rows, cursor } = pageOf(query, defaultPage, ({ from, limit }) =>
      jobs.list({ states, labels, limit, ...(from !== undefined && { before: from }) }),
    );
    return Response.json({ jobs: rows.map(summaryOf), ...cursor });
  });

  bind(app, authenticator, routes.getJob, async ({ params }) =>
    Response.json(await detail(services, requireJob(services, params.id))),
  );

  bind(app, authenticator, routes.cancelJob, ({ params, body }) =>
    Response.json(summaryOf(lifecycle.cancel(params.id, body))),
  );
}

export function requireJob(services: Services, id: string): JobRow {
  const row = services.jobs.find(id);
  if (!row) throw notFound(`job ${id}`);
  return row;
}

async function detail(services: Services, row: JobRow) {
  const { attempts, logs, artifactRows, directory, queue, leases } = services;
  const rows = attempts.ofJob(row.id);
  const lengths = await Promise.all(rows.map(async ({ epoch }) => [epoch, await logs.length(row.id, epoch)] as const));
  return detailOf(row, {
    attempts: rows,
    logLengths: new Map(lengths),
    artifacts: artifactRows.countStored(row.id, row.epoch),
    placement: row.state === 'queued' ? placementOf(row, directory, queue, leases) : undefined,
  });
}

function labelsOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      const key = word.slice(0, Math.max(at, 0));
      if (!labelKey.safeParse(key).success)
        throw new ApiError('RITMO_INVALID_REQUEST', `${JSON.stringify(word)} is not a label: write key=value.`);
      return [key, word.slice(at + 1)];
    }),
  );
}
