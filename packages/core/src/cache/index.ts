export { type FolderCacheOptions, folderCacheStore } from './folder-store.js';
export type { CacheEntry, CacheStore, WantedCache } from './store.js';
