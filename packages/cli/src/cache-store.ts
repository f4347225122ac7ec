import { join, resolve } from 'node:path';
import { type CacheStore, folderCacheStore } from '@ritmo/agent-core';
import { loadS3, refuseOtherScheme } from './artifact-store.js';
import { type Find, importPackage } from './import-package.js';
import type { cacheKeys } from './options/groups.js';
import type { Settings } from './options/table.js';

/**
 * Where caches are kept: a folder, `s3://BUCKET/PREFIX`, or nowhere.
 * @throws RITMO_USAGE, RITMO_PLUGIN_INVALID
 */
export async function openCacheStore(
  { cacheStore, cacheMaxSize, cacheMaxAge, cacheMinFree }: Settings<(typeof cacheKeys)[number]>,
  stateDir: string,
  find: Find = importPackage,
): Promise<CacheStore | undefined> {
  if (cacheStore === 'none') return undefined;
  if (cacheStore?.startsWith('s3:') === true) {
    const { s3CacheStore, parseS3Address } = await loadS3(find);
    return s3CacheStore(parseS3Address(cacheStore));
  }
  if (cacheStore !== undefined) refuseOtherScheme('cache', cacheStore, 'none');
  return folderCacheStore(cacheStore === undefined ? join(stateDir, 'caches') : resolve(cacheStore), {
    ...(cacheMaxSize === undefined ? {} : { maxBytes: cacheMaxSize }),
    ...(cacheMaxAge === undefined ? {} : { maxAgeMs: cacheMaxAge }),
    ...(cacheMinFree === undefined ? {} : { minFreeBytes: cacheMinFree }),
  });
}
