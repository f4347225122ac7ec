import { buildRoutes } from './routes/builds.js';
import { peopleRoutes } from './routes/people.js';
import { systemRoutes } from './routes/system.js';
import { workerRoutes } from './routes/workers.js';

export { attemptHeader, editionHeader, idempotencyHeader } from './routes/parts.js';
export { type Answer, defaultBodyBytes, type Role, type Route } from './routes/route.js';

/** Every call of worker API 1, by operationId. */
export const routes = { ...workerRoutes, ...buildRoutes, ...peopleRoutes, ...systemRoutes } as const;
export type OperationId = keyof typeof routes;
