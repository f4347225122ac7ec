import type { HttpBindings } from '@hono/node-server';
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { type Route, defaultBodyBytes } from '@ritmo/protocol/routes';
import type { Context, MiddlewareHandler } from 'hono';
import type { z } from 'zod';
import { ApiError } from '../errors.js';
import { type Authenticator, type Identity, checkProtocol } from './auth.js';
import { readBody } from './body.js';
import { parseJson } from './json-guard.js';

export interface Env {
  readonly Bindings: HttpBindings;
  readonly Variables: { readonly identity: Identity };
}

type Part<R extends Route, K extends keyof Route> = R[K] extends z.ZodType ? z.output<R[K]> : undefined;

/** A call that was checked: token, headers, parameters, body. */
export interface Call<R extends Route> {
  readonly context: Context<Env>;
  readonly identity: Identity;
  readonly params: Part<R, 'params'>;
  readonly query: Part<R, 'query'>;
  readonly headers: Part<R, 'headers'>;
  readonly body: Part<R, 'body'>;
}

export type Handler<R extends Route> = (call: Call<R>) => Response | Promise<Response>;

/** Where a `head` route is bound: Hono sends HEAD to the handlers of GET. */
export const headPrefix = '/~head';

/** Binds one route: who calls, then what they say, then the handler. */
export function bind<R extends Route>(
  app: OpenAPIHono<Env>,
  authenticator: Authenticator,
  route: R,
  handle: Handler<R>,
): void {
  const { params, query, headers, body } = route as Route;
  const config = createRoute({
    method: route.method === 'head' ? 'get' : route.method,
    path: route.method === 'head' ? `${headPrefix}${route.path}` : route.path,
    middleware: [authenticate(authenticator, route), readJson(route)],
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers }),
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: Object.fromEntries(
      Object.entries(route.answers).map(([status, { description }]) => [status, { description }]),
    ),
  });
  app.openapi(config, (context) => {
    const request = context.req as unknown as { valid(target: string): never };
    const call: Call<R> = {
      context,
      identity: context.get('identity'),
      params: request.valid('param'),
      query: request.valid('query'),
      headers: request.valid('header'),
      body: request.valid('json'),
    };
    return handle(call);
  });
}

function authenticate(authenticator: Authenticator, route: Route): MiddlewareHandler {
  return async (context, next) => {
    checkProtocol(context.req.header('ritmo-protocol'));
    context.set('identity', authenticator.identify(context.req.header('authorization'), route.roles));
    await next();
  };
}

/** Reads a JSON body within its bounds, and holds every body to the media type of its route. */
function readJson(route: Route): MiddlewareHandler<Env> {
  return async (context, next) => {
    const expected = route.body ? 'application/json' : 'application/octet-stream';
    const type = context.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
    const takesBody = route.body !== undefined || route.bytes !== undefined;
    if (takesBody && type !== expected && (type !== undefined || hasBody(context)))
      throw new ApiError('RITMO_INVALID_REQUEST', `The body must be ${expected}.`, {
        status: 415,
        hint: 'Set the Content-Type header.',
      });
    if (route.body) {
      const bytes = await readBody(context.env.incoming, route.maxBodyBytes ?? defaultBodyBytes);
      replaceBody(context, bytes.byteLength === 0 ? '{}' : decode(bytes));
    }
    await next();
  };
}

function hasBody(context: Context<Env>): boolean {
  const { headers } = context.env.incoming;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ApiError('RITMO_INVALID_REQUEST', 'The body is not UTF-8.', { cause: error });
  }
}

/** Hands the body on to validation, once the bounds are known to hold. */
function replaceBody(context: Context<Env>, text: string): void {
  parseJson(text);
  const { method, url } = context.req.raw;
  const headers = new Headers(context.req.header());
  headers.set('content-type', 'application/json');
  headers.delete('content-length');
  context.req.raw = new Request(url, { method, headers, body: text });
}
