import { RitmoError } from '@ritmo/agent-core/executor';

/** Most parts of one upload. Source: limits of multipart uploads in Amazon S3. */
const maxParts = 10_000;
const mebibyte = 1024 ** 2;

/** Bytes of files and parts that are in memory at once; a part that is larger is there alone. */
export const memoryBytes = 18 * mebibyte;
/** Makes 468 GiB of the most parts. */
const maxPartBytes = 48 * mebibyte;

/**
 * Bytes of each part but the last: `wanted`, or as many whole MiB as keep the file within 10,000 parts.
 * @throws RITMO_ARTIFACT_LIMIT for a file whose parts would not fit into memory, of 468 GiB
 */
export function partSizeOf(path: string, size: number, wanted: number): number {
  const bytes = Math.max(wanted, Math.ceil(size / maxParts / mebibyte) * mebibyte);
  if (bytes > maxPartBytes)
    throw new RitmoError('RITMO_ARTIFACT_LIMIT', `${path} is larger than an S3 store takes from an agent (468 GiB).`, {
      hint: 'Split the file.',
    });
  return bytes;
}
