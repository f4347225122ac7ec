import { RitmoError } from '@ritmo/agent-core/executor';

/** Most parts of one upload. Source: limits of multipart uploads in Amazon S3. */
export const maxParts = 10_000;
const mebibyte = 1024 ** 2;

/** Bytes of files and parts that are in memory at once; a part that is larger than `heldPartBytes` passes through. */
export const memoryBytes = 24 * mebibyte;
/** Up to here a part is in memory while it is sent. */
export const heldPartBytes = 16 * mebibyte;
/** Largest object. Source: as above. No part of it needs more than 525 MiB, and a part may have 5 GiB. */
const maxObjectBytes = 5 * 1024 ** 4;

/**
 * Bytes of each part but the last: `wanted`, or as many whole MiB as keep the file within 10,000 parts.
 * @throws RITMO_ARTIFACT_LIMIT for a file of more than 5 TiB
 */
export function partSizeOf(path: string, size: number, wanted: number): number {
  if (size > maxObjectBytes)
    throw new RitmoError('RITMO_ARTIFACT_LIMIT', `${path} is larger than an S3 store takes (5 TiB).`, {
      hint: 'Split the file.',
    });
  return Math.max(wanted, Math.ceil(size / maxParts / mebibyte) * mebibyte);
}
