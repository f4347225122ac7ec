import { RitmoError } from '@ritmo/agent-core/executor';
import { DockerError } from '../docker/error.js';
import type { ImageReference } from './reference.js';

/** What a registry or the daemon said about a pull, as an error that people can act upon. */
export function pullError(image: ImageReference, error: unknown): RitmoError {
  if (error instanceof RitmoError) return error;
  const { message, status, errno, unreached } = DockerError.from(error);
  const options = { cause: error };
  const line = firstLine(message);
  // What the client puts before the daemon's words.
  const said = line.replace(/^\(HTTP code \d+\) [a-z ]+ - /, '');
  const words = withoutNames(line, image);
  if (unreached && errno !== undefined) {
    return new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The Docker daemon does not answer (${errno}).`, options);
  }
  if (
    /no basic auth credentials|unauthorized|authentication required|denied|incorrect username or password|forbidden/i.test(
      words,
    )
  ) {
    return new RitmoError('RITMO_IMAGE_AUTH', `${image.registry} does not give out ${image.full}: ${said}`, options);
  }
  if (/no matching manifest|does not match the specified platform|no match for platform/i.test(words)) {
    return new RitmoError('RITMO_IMAGE_PLATFORM', `${image.full} is not made for this worker: ${said}`, options);
  }
  if (
    /connection refused|no such host|i\/o timeout|timeout|connection reset|unreachable|tls:|x509|EOF|server gave HTTP|\b50[234]\b/i.test(
      words,
    )
  ) {
    return new RitmoError('RITMO_REGISTRY_UNREACHABLE', `${image.registry} does not answer: ${said}`, options);
  }
  if (/no space left/i.test(words)) {
    return new RitmoError('RITMO_DISK_FULL', `There is no room for ${image.full} on the worker.`, options);
  }
  if (status === 404 || /not found|manifest unknown|does not exist|name unknown/i.test(words)) {
    return new RitmoError('RITMO_IMAGE_MISSING', `There is no image ${image.full}: ${said}`, options);
  }
  return new RitmoError('RITMO_IMAGE_PULL_FAILED', `${image.full} could not be pulled: ${said}`, options);
}

/** Addresses and names of images say what they like: `503`, `denied`. */
function withoutNames(text: string, image: ImageReference): string {
  const isName = (word: string) => word.includes('/') || word.includes(image.pullable);
  return text
    .split(' ')
    .filter((word) => !isName(word))
    .join(' ');
}

const firstLine = (text: string) => (text.split('\n')[0] ?? '').slice(0, 400);
