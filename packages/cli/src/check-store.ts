import { type Logger, RitmoError } from '@ritmo/agent-core/executor';

/** A store that stays silent for longer does not hold up a start, in milliseconds. */
const patienceMs = 5_000;

interface Store {
  check?(signal: AbortSignal): Promise<void>;
}

/** What keeps a store from taking files; `retryable` where it may pass. Undefined where nothing does. */
export async function whatKeepsFrom(store: Store, place: string): Promise<RitmoError | undefined> {
  const signal = AbortSignal.timeout(patienceMs);
  try {
    await store.check?.(signal);
    return undefined;
  } catch (error) {
    if (!signal.aborted) return RitmoError.from(error, 'RITMO_ARTIFACT_UPLOAD');
    return new RitmoError('RITMO_ARTIFACT_UPLOAD', `${place} has not answered for ${patienceMs / 1000} s.`, {
      hint: 'Check its endpoint, that its server runs, and what is on the way to it.',
      retryable: true,
      cause: error,
    });
  }
}

/**
 * Asks a store before the first job does; what may pass is only warned of.
 * @throws RITMO_USAGE where the store would take nothing, whatever the time
 */
export async function assertStores(store: Store, option: string, place: string, log: Logger): Promise<void> {
  const problem = await whatKeepsFrom(store, place.replace(/\?.*$/, ''));
  if (problem === undefined) return;
  const { message, hint, retryable } = problem;
  if (!retryable) throw new RitmoError('RITMO_USAGE', `${option}: ${message}`, { hint, cause: problem });
  log.warn({ hint }, `${option}: ${message} Jobs wait for it when they store something`);
}
