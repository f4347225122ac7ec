import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';

/** As many jobs may run by `exec` at once on one machine and user. */
const maxPlaces = 256;

/**
 * Opens something in the first folder `DIR/exec/N` that no other process holds. The folders stay: what a process that
 * was killed left in one of them is swept by the next that opens it.
 */
export async function inFreePlace<Opened>(
  stateDir: string,
  open: (folder: string) => Promise<Opened>,
): Promise<Opened> {
  for (let place = 0; place < maxPlaces; place += 1) {
    try {
      return await open(join(stateDir, 'exec', String(place)));
    } catch (error) {
      if (!(error instanceof RitmoError && error.code === 'RITMO_STATE_LOCKED')) throw error;
    }
  }
  throw new RitmoError('RITMO_STATE_LOCKED', `${maxPlaces} jobs run here already.`);
}
