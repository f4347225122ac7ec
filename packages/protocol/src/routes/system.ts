import { z } from 'zod';
import type { Route } from './route.js';

/** Calls about the server itself. */
export const systemRoutes = {
  health: {
    method: 'get',
    path: '/healthz',
    operationId: 'health',
    roles: ['none'],
    tag: 'system',
    summary: 'Say whether the server can serve',
    answers: { 200: { description: 'It can.', schema: z.object({ status: z.literal('ok') }) } },
  },
  metrics: {
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    roles: ['user'],
    tag: 'system',
    summary: 'Metrics in the text form of Prometheus',
    answers: { 200: { description: 'Metrics.', contentType: 'text/plain; version=0.0.4; charset=utf-8' } },
  },
  openApi: {
    method: 'get',
    path: '/openapi.json',
    operationId: 'openApi',
    roles: ['user'],
    tag: 'system',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', contentType: 'application/json' } },
  },
} as const satisfies Record<string, Route>;
