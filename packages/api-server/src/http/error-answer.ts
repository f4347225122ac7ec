import { randomUUID } from 'node:crypto';
import type { ErrorAnswer } from '@ritmo/protocol';
import { HTTPException } from 'hono/http-exception';
import { ApiError, isDiskFull } from '../errors.js';
import type { ServerLog } from '../options.js';

/** The one form of every error. */
export function errorResponse(error: unknown, log: ServerLog): Response {
  const known = asApiError(error, log);
  const { code, message, retryable, hint, next } = known;
  const body: ErrorAnswer = { error: { code, message, retryable, hint, ...(next !== undefined && { next }) } };
  return Response.json(body, {
    status: known.status,
    ...(known.status === 401 && { headers: { 'WWW-Authenticate': 'Bearer' } }),
  });
}

function asApiError(error: unknown, log: ServerLog): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof HTTPException && error.status < 500)
    return new ApiError('RITMO_INVALID_REQUEST', error.message || 'The request cannot be read.', {
      status: error.status,
    });
  if (isDiskFull(error))
    return new ApiError('RITMO_DISK_FULL', 'The disk of the API server is full.', {
      hint: 'Make room on the API server.',
    });
  const incident = randomUUID();
  log.error('a call failed', {
    incident,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return new ApiError('RITMO_INTERNAL', `The server failed at this call; its log says more under ${incident}.`);
}
