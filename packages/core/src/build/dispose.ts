import { RitmoError } from '../errors.js';
import { after } from './deadline.js';

/** Past this, a dispose that has not settled is reported; it goes on. In milliseconds. */
const watchMs = 60_000;

/** Disposes, and reports what goes wrong instead of throwing: the journal and the next sweep take it up. */
export async function disposeWatched(resource: AsyncDisposable, failed: (error: RitmoError) => void): Promise<void> {
  const watch = after(watchMs, () => {
    failed(new RitmoError('RITMO_CLEANUP_FAILED', 'A sandbox has not been removed within a minute.'));
  });
  try {
    await resource[Symbol.asyncDispose]();
  } catch (error) {
    failed(RitmoError.from(error, 'RITMO_CLEANUP_FAILED'));
  } finally {
    watch[Symbol.dispose]();
  }
}
