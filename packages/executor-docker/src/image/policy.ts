import { RitmoError } from '@ritmo/agent-core/executor';
import picomatch from 'picomatch';
import type { ImageReference } from './reference.js';

/** Throws RITMO_POLICY_REFUSED for an image that no glob of the operator's matches, by its full name. */
export function assertAllowed(image: ImageReference, globs: readonly string[]): void {
  const untagged = `${image.registry}/${image.repository}`;
  const names = [image.full, untagged];
  if (globs.some((glob) => names.some((name) => picomatch.isMatch(name, glob, { nonegate: true, dot: true })))) return;
  throw new RitmoError('RITMO_POLICY_REFUSED', `The operator of this worker does not allow the image ${image.full}.`, {
    hint: `Allowed are: ${globs.join(', ')}.`,
  });
}
