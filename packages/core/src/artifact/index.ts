export { type ApiArtifactStoreOptions, apiArtifactStore } from './api-store.js';
export {
  type ArtifactLimits,
  type StoreArtifacts,
  type StoredArtifacts,
  type StoringProgress,
  storeArtifacts,
} from './collect.js';
export { contentTypeOf } from './content-type.js';
export { folderArtifactStore } from './folder-store.js';
export { mapUnordered } from './map-unordered.js';
export { Slots } from './slots.js';
export type {
  ArtifactRef,
  ArtifactSession,
  ArtifactSource,
  ArtifactStore,
  JsonStore,
  UploadScope,
} from './store.js';
