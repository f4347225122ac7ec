import { OpenAPIHono } from '@hono/zod-openapi';
import { routePath } from 'hono/route';
import { z } from 'zod';
import { ApiError } from '../errors.js';
import type { Authenticator } from './auth.js';
import { type Env, headPrefix } from './bind.js';
import { bindBuildCalls } from './calls/builds.js';
import { bindJobCalls } from './calls/jobs.js';
import { bindOperatorCalls } from './calls/operators.js';
import { bindOutputCalls } from './calls/outputs.js';
import { bindWorkerCalls } from './calls/workers.js';
import { errorResponse } from './error-answer.js';
import { hostCheck } from './hosts.js';
import type { Services } from './services.js';

/** HEAD of a log is a call of its own: of the worker, not of people. */
const headOfLog = /^\/v1\/jobs\/[^/]+\/log$/;

/** The whole API as one Hono app. */
export function createApp(services: Services, authenticator: Authenticator): OpenAPIHono<Env> {
  const { settings, metrics } = services;
  const app = new OpenAPIHono<Env>({
    getPath: (request) => {
      const { pathname } = new URL(request.url);
      return request.method === 'HEAD' && headOfLog.test(pathname) ? `${headPrefix}${pathname}` : pathname;
    },
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error);
    },
  });
  const checkHost = hostCheck(settings.host, settings.hostNames);
  app.onError((error) => errorResponse(error, settings.log));
  app.notFound(() => {
    throw new ApiError('RITMO_NOT_FOUND', 'There is no such call.', { hint: 'GET /openapi.json lists all calls.' });
  });
  app.use('*', async (context, next) => {
    const begun = performance.now();
    checkHost(context.req.header('host'));
    await next();
    context.header('X-Content-Type-Options', 'nosniff');
    context.header('Cache-Control', 'no-store');
    const route = context.res.status === 404 ? 'none' : routePath(context, -1);
    metrics.answered(context.req.method, route, context.res.status, (performance.now() - begun) / 1000);
  });
  bindWorkerCalls(app, authenticator, services);
  bindBuildCalls(app, authenticator, services);
  bindJobCalls(app, authenticator, services);
  bindOutputCalls(app, authenticator, services);
  bindOperatorCalls(app, authenticator, services);
  return app;
}

/** Everything wrong with a request at once, each with its place. */
function invalidRequest(target: string, error: { readonly issues: readonly z.core.$ZodIssue[] }): ApiError {
  const inJob = target === 'json' && error.issues.every((issue) => issue.path[0] === 'job');
  const problems = error.issues
    .slice(0, 50)
    .map((issue) => `${z.core.toDotPath(issue.path) || target}: ${issue.message}`);
  return new ApiError(inJob ? 'RITMO_JOB_INVALID' : 'RITMO_INVALID_REQUEST', problems.join('; '));
}
