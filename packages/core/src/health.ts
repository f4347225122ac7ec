/** An HTTP server for probes and metrics of an agent; apart from the rest, for those who embed one and need none. */
export { type HealthServer, type HealthServerOptions, startHealthServer } from './health/health-server.js';
