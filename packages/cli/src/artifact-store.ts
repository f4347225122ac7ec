import { resolve } from 'node:path';
import { apiArtifactStore, type ArtifactStore, folderArtifactStore, type Transport } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { ArtifactBucket } from '@ritmo/api-server';
import type * as s3 from '@ritmo/artifacts-s3';
import { type Find, optionalPackage } from './import-package.js';

type S3Package = typeof s3;

/**
 * Where artifacts go: `api`, `s3://BUCKET/PREFIX`, or a folder.
 * @throws RITMO_USAGE for an address that is wrong, RITMO_PLUGIN_INVALID where the package for S3 is not installed
 */
export async function openArtifactStore(place: string, transport: Transport, find?: Find): Promise<ArtifactStore> {
  return place === 'api' ? apiArtifactStore(transport) : await openOwnStore(place, find);
}

/** A store that needs no API server. Throws as above. */
export async function openOwnStore(place: string, find?: Find): Promise<ArtifactStore> {
  if (place.startsWith('s3:')) {
    const { s3ArtifactStore, parseS3Address } = await loadS3(find);
    return s3ArtifactStore(parseS3Address(place));
  }
  refuseOtherScheme('artifact', place, 'api');
  return folderArtifactStore(resolve(place));
}

/** The bucket that an API server signs URLs for. Throws as above. */
export async function openBucket(address: string, find?: Find): Promise<ArtifactBucket> {
  const { s3ServerBucket, parseS3Address } = await loadS3(find);
  return s3ServerBucket(parseS3Address(address));
}

/** The package that brings the AWS SDK: it is installed by those who need it. */
export async function loadS3(find?: Find): Promise<S3Package> {
  return (await optionalPackage('@ritmo/artifacts-s3', 's3://', find)) as unknown as S3Package;
}

/** A folder is no URL: `gs://…` is a mistake, and would be made as a folder. */
export function refuseOtherScheme(what: string, place: string, word: string): void {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//.exec(place)?.[1];
  if (scheme === undefined) return;
  throw new RitmoError('RITMO_USAGE', `There is no ${what} store for ${scheme}://.`, {
    hint: `Use \`${word}\`, s3://BUCKET/PREFIX, or a folder.`,
  });
}
