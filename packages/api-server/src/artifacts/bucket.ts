import type { ArtifactPlan } from '@ritmo/protocol';

/** Where a file, or a part of one, is to be sent, with the headers that were signed. */
export type UploadTarget = NonNullable<ArtifactPlan['upload']>;

/**
 * A bucket that workers send artifacts to by presigned URLs, so that none of them holds its credentials. What
 * `s3ServerBucket` of @ritmo/artifacts-s3 makes.
 */
export interface ArtifactBucket extends AsyncDisposable {
  /** Rejects where files could not be stored; leaves nothing there. */
  check?(signal: AbortSignal): Promise<void>;
  /** Where one PUT takes the whole file, for an hour. */
  putTarget(key: string, contentType: string): Promise<UploadTarget>;
  /** Begins an upload in parts; answers its id. */
  begin(key: string, contentType: string): Promise<string>;
  /** Where each of its parts goes, for an hour. */
  partTargets(key: string, uploadId: string, count: number): Promise<readonly UploadTarget[]>;
  /** Harmless where it is complete already. */
  complete(key: string, uploadId: string, etags: readonly string[]): Promise<void>;
  /** Harmless where it is not there. */
  abort(key: string, uploadId: string): Promise<void>;
  /** Bytes of the object; undefined where it is not there. */
  size(key: string): Promise<number | undefined>;
  /** The bytes; undefined where it is not there. */
  read(key: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Harmless where it is not there. */
  delete(key: string): Promise<void>;
}
