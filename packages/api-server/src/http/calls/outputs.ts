import type { OpenAPIHono } from '@hono/zod-openapi';
import { attemptHeader, editionHeader, routes } from '@ritmo/protocol/routes';
import type { Context } from 'hono';
import { notFound } from '../../errors.js';
import { artifactEntryOf } from '../../jobs/views.js';
import { readLog } from '../../logs/follow.js';
import { plainText } from '../../logs/plain-text.js';
import type { ArtifactRow } from '../../store/artifacts.js';
import type { JobRow } from '../../store/jobs.js';
import type { Authenticator } from '../auth.js';
import { type Env, bind } from '../bind.js';
import { answerDirectly } from '../direct.js';
import { pageOf } from '../pages.js';
import type { Services } from '../services.js';
import { type StreamTarget, childOf, streamOf } from '../streams.js';
import { requireJob } from './jobs.js';

const defaultPage = 100;

/** Calls of people about what builds leave: logs and artifacts. */
export function bindOutputCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { logs, logReader, metrics } = services;

  bind(app, authenticator, routes.readLog, ({ context, params, query }) => {
    const row = requireJob(services, params.id);
    const epoch = attemptOf(row, query.attempt);
    const offset = query.offset ?? 0;
    const edition = logs.edition(row.id, epoch);
    const headers = {
      'Content-Type': 'application/x-ndjson',
      ...(epoch > 0 && { [attemptHeader]: String(epoch) }),
      [editionHeader]: String(edition),
    };
    const { controller, release } = childOf(services.closing);
    const source = !query.follow
      ? readLog(logs, row.id, epoch, offset)
      : query.attempt === undefined
        ? logReader.followJob(row.id, { offset, edition }, controller.signal)
        : logReader.followAttempt(row.id, epoch, { offset, edition }, controller.signal);
    return answerDirectly(counted(source, metrics, query.follow === true, release), {
      outgoing: context.env.outgoing,
      headers,
      log: services.settings.log,
      controller,
    });
  });

  bind(app, authenticator, routes.readLogText, ({ context, params, query }) => {
    const row = requireJob(services, params.id);
    const epoch = attemptOf(row, query.attempt);
    const text = plainText(readLog(logs, row.id, epoch, 0), query.raw ?? false);
    const headers = { 'Content-Type': 'text/plain; charset=utf-8', [attemptHeader]: String(epoch) };
    return new Response(streamOf(text, target(context)), { headers });
  });

  bind(app, authenticator, routes.listArtifacts, ({ params, query }) => {
    const row = requireJob(services, params.id);
    const epoch = attemptOf(row, query.attempt);
    const { rows, cursor } = pageOf(query, defaultPage, (page) =>
      services.artifactRows.listStored(row.id, epoch, page),
    );
    return Response.json({ artifacts: rows.map(artifactEntryOf), ...cursor });
  });

  bind(app, authenticator, routes.getArtifact, async ({ context, params }) => {
    requireJob(services, params.id);
    const row = services.artifactRows.findStored(params.id, params.artifactId);
    if (!row || row.sha256 === null) throw notFound(`artifact ${params.artifactId}`);
    if (row.size === 0 || row.link_target !== null) return new Response(null, { headers: downloadHeaders(row, 0) });
    // Nobody would read what was opened for it.
    if (context.req.method === 'HEAD') return new Response(null, { headers: downloadHeaders(row, row.size) });
    const bytes = await services.artifacts.read({ ...row, sha256: row.sha256 });
    return new Response(streamOf(bytes, target(context)), { headers: downloadHeaders(row, row.size) });
  });

  function target(context: Context<Env>): StreamTarget {
    return { outgoing: context.env.outgoing, log: services.settings.log, controller: new AbortController() };
  }
}

/** The attempt named, or the latest; 0 before the first. Throws RITMO_NOT_FOUND for one that was not handed out. */
function attemptOf(row: JobRow, attempt: number | undefined): number {
  if (attempt !== undefined && attempt > row.epoch) throw notFound(`attempt ${attempt} of job ${row.id}`);
  return attempt ?? row.epoch;
}

/** Says nothing to a browser that it could run: a download of a type it may not guess. */
function downloadHeaders(row: ArtifactRow, length: number): Record<string, string> {
  const name = row.path.split('/').at(-1) ?? 'artifact';
  const ascii = name.replaceAll(/[^A-Za-z0-9._ -]/g, '_');
  const type = /^[\w.+-]+\/[\w.+-]+(; *charset=[\w-]+)?$/.test(row.content_type)
    ? row.content_type
    : 'application/octet-stream';
  return {
    'Content-Type': type,
    'Content-Length': String(length),
    'Content-Disposition': `attachment; filename="${ascii}"; filename*=UTF-8''${encode(name)}`,
    'Content-Security-Policy': "sandbox; default-src 'none'",
    ETag: `"${row.sha256}"`,
  };
}

function encode(name: string): string {
  return encodeURIComponent(Buffer.from(name).toString()).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function* counted(
  source: AsyncGenerator<Uint8Array, void, void>,
  metrics: Services['metrics'],
  follows: boolean,
  release: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  if (follows) metrics.followers++;
  try {
    yield* source;
  } finally {
    if (follows) metrics.followers--;
    release();
  }
}
