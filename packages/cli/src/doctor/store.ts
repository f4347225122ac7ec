import { openOwnStore } from '../artifact-store.js';
import { whatKeepsFrom } from '../check-store.js';
import { asRitmoError } from '../show-error.js';
import type { Check } from './check.js';

/** Whether the place that artifacts go to takes them; undefined where that is the API server, which is asked by itself. */
export async function checkArtifactStore(place: string): Promise<Check | undefined> {
  if (place === 'api') return undefined;
  const name = 'artifact store';
  const shown = place.replace(/\?.*$/, '');
  try {
    await using store = await openOwnStore(place);
    const problem = await whatKeepsFrom(store, shown);
    if (problem === undefined) return { name, state: 'ok', detail: `${shown} takes files` };
    return {
      name,
      state: problem.retryable ? 'warning' : 'missing',
      detail: problem.message,
      remedy: problem.hint,
    };
  } catch (error) {
    const { message, hint } = asRitmoError(error);
    return { name, state: 'missing', detail: message, remedy: hint };
  }
}
