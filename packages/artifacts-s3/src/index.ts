export { s3ArtifactStore } from './artifact-store.js';
export { s3CacheStore } from './cache-store.js';
export type { S3CacheLimits } from './evict-caches.js';
export { type Manifest, type ManifestFile, manifest } from './manifest.js';
export { parseS3Address, type S3Options } from './options.js';
export { s3ServerBucket } from './server-bucket.js';
