import type { OpenAPIHono } from '@hono/zod-openapi';
import { epochHeader, logNextHeader, maxAppendBytes } from '@ritmo/protocol';
import { routes } from '@ritmo/protocol/routes';
import { ApiError } from '../../errors.js';
import { cancelOf } from '../../workers/verdict.js';
import type { Authenticator } from '../auth.js';
import { type Env, bind } from '../bind.js';
import { bodyOf, readBody } from '../body.js';
import { checkJobCall } from '../callers.js';
import type { Services } from '../services.js';

/** Calls of a worker about a build. */
export function bindBuildCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { lifecycle } = services;

  bind(app, authenticator, routes.acceptJob, ({ identity, params, body }) => {
    checkJobCall(services, identity, params.id, body.epoch);
    lifecycle.accept(params.id, body.epoch);
    return Response.json({});
  });

  bind(app, authenticator, routes.releaseJob, ({ identity, params, body }) => {
    checkJobCall(services, identity, params.id, body.epoch);
    lifecycle.release(params.id, body.epoch, body);
    return Response.json({});
  });

  bind(app, authenticator, routes.finishJob, ({ identity, params, body }) => {
    const { epoch, ...result } = body;
    checkJobCall(services, identity, params.id, epoch);
    lifecycle.finish(params.id, epoch, result);
    return Response.json({});
  });

  bindLogCalls(app, authenticator, services);
  bindArtifactCalls(app, authenticator, services);
}

function bindLogCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { lifecycle, logs } = services;

  bind(app, authenticator, routes.appendLog, async ({ context, identity, params, query, headers }) => {
    const epoch = headers[epochHeader];
    checkJobCall(services, identity, params.id, epoch);
    lifecycle.current(params.id, epoch);
    const bytes = await readBody(context.env.incoming, maxAppendBytes);
    // Once more: the body may have taken long.
    const row = lifecycle.current(params.id, epoch);
    const next = await logs.append(params.id, epoch, query.offset, bytes);
    const cancel = cancelOf(row);
    return Response.json({ next, ...(cancel && { cancel }) });
  });

  bind(app, authenticator, routes.logOffset, async ({ identity, params, headers }) => {
    const epoch = headers[epochHeader];
    checkJobCall(services, identity, params.id, epoch);
    lifecycle.current(params.id, epoch);
    return new Response(null, { headers: { [logNextHeader]: String(await logs.length(params.id, epoch)) } });
  });

  bind(app, authenticator, routes.sealLog, async ({ identity, params, body }) => {
    checkJobCall(services, identity, params.id, body.epoch);
    lifecycle.current(params.id, body.epoch);
    const outcome = await logs.seal(params.id, body.epoch, body);
    if (outcome.kind === 'sealed') return Response.json({});
    if (outcome.kind === 'incomplete')
      throw new ApiError('RITMO_LOG_MISMATCH', `The log is not as it was sealed; go on at ${outcome.next}.`, {
        next: outcome.next,
      });
    lifecycle.breakLog(params.id, body.epoch);
    throw new ApiError('RITMO_LOG_MISMATCH', 'The log differs from its seal for the second time: the job is errored.', {
      status: 409,
      retryable: false,
      hint: 'Nothing more is taken of this log.',
    });
  });
}

function bindArtifactCalls(app: OpenAPIHono<Env>, authenticator: Authenticator, services: Services): void {
  const { artifacts } = services;

  bind(app, authenticator, routes.planArtifacts, async ({ identity, params, headers, body }) => {
    const epoch = headers[epochHeader];
    checkJobCall(services, identity, params.id, epoch);
    return Response.json({ files: await artifacts.plan(params.id, epoch, body) });
  });

  bind(app, authenticator, routes.uploadArtifact, async ({ context, identity, params, headers }) => {
    const epoch = headers[epochHeader];
    checkJobCall(services, identity, params.id, epoch);
    const { incoming } = context.env;
    if ((incoming.headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new ApiError('RITMO_INVALID_REQUEST', 'Files are taken as they are, without Content-Encoding.', {
        status: 415,
      });
    const sha256 = await artifacts.upload(params.id, epoch, params.artifactId, bodyOf(incoming));
    return Response.json({}, { headers: { ETag: `"${sha256}"` } });
  });

  bind(app, authenticator, routes.completeArtifact, async ({ identity, params, body }) => {
    checkJobCall(services, identity, params.id, body.epoch);
    await artifacts.complete(params.id, body.epoch, params.artifactId, body);
    return Response.json({});
  });
}
