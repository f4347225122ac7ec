import { z } from 'zod';
import { epoch, sha256, shortName, workspacePath } from '../names.js';

/** Most files in one `artifacts` call. */
export const maxArtifactBatch = 500;

export const artifactId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);
export const artifactFile = z.object({
  /** Chosen by the agent, so that a repeat is harmless. */
  artifactId,
  /** Name of the artifact in the job. */
  name: shortName,
  /** Inside the workspace. */
  path: workspacePath,
  size: z.int().min(0),
  sha256: sha256.optional(),
  mode: z.int().min(0).max(0o7777),
  contentType: z.string().max(255).default('application/octet-stream'),
  /** Present for a link: where it points, inside the workspace; a link has no bytes. */
  linkTarget: z.string().max(4096).optional(),
});
export type ArtifactFile = z.output<typeof artifactFile>;
export const artifactsRequest = z.array(artifactFile).min(1).max(maxArtifactBatch);

/** Where the bytes of one file go. A kind that a worker does not know ends the upload with RITMO_ARTIFACT_UPLOAD. */
export const uploadTarget = z.object({ url: z.string(), headers: z.record(z.string(), z.string()).default({}) });
export const artifactPlan = z.object({
  artifactId,
  /** The server has it already: nothing to send, nothing to complete. */
  stored: z.boolean().optional(),
  /**
   * The project has a file of this size: announced again with its sha256 before its bytes are sent, this one may turn
   * out to be stored.
   */
  known: z.boolean().optional(),
  /** One PUT of the whole. A path that begins with `/` is on the API server and takes the job token. */
  upload: uploadTarget.optional(),
  /** Several PUTs, each of `partSize` bytes but the last. */
  parts: z
    .object({
      partSize: z.int().positive(),
      targets: z.array(uploadTarget).min(1),
      /** For as long as it stays the same, parts that were sent need not be sent again. */
      uploadId: z.string().max(4096).optional(),
    })
    .optional(),
});
export type ArtifactPlan = z.output<typeof artifactPlan>;
export const artifactsAnswer = z.object({ files: z.array(artifactPlan) });

export const completeRequest = z.object({
  epoch,
  sha256,
  etags: z.array(z.string()).optional(),
  location: z.string().optional(),
});
