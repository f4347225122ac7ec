export type { ArtifactBucket, UploadTarget } from './artifacts/bucket.js';
export type { Clock } from './clock.js';
export { ApiError } from './errors.js';
export type { ApiServerOptions, ServerLog } from './options.js';
export { type ApiServer, startApiServer } from './server.js';
