import { z } from 'zod';

/** One stored file of a build; a link has a target and no object. */
export const manifestFile = z.object({
  name: z.string(),
  path: z.string(),
  size: z.int(),
  mode: z.int(),
  sha256: z.string(),
  key: z.string().optional(),
  linkTarget: z.string().optional(),
});
/** A file of a build as its manifest lists it. */
export type ManifestFile = z.output<typeof manifestFile>;

/** What the file `ritmo-artifacts.json` of an attempt holds: written last, so what it lists is whole. */
export const manifest = z.object({
  version: z.literal(1),
  job: z.string(),
  attempt: z.int(),
  files: z.array(manifestFile),
});
/** What a build has stored; its object is written last. */
export type Manifest = z.output<typeof manifest>;
