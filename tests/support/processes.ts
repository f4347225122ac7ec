import { setTimeout as delay } from 'node:timers/promises';
import { processesWithMarker } from './witness.js';

const patienceMs = 60_000;

/** Waits until processes with this on their command line, in their environment or as their folder are there, or gone. */
export async function untilProcesses(count: 'some' | 'none', marker: string): Promise<void> {
  const limit = AbortSignal.timeout(patienceMs);
  for (;;) {
    const seen = await processesWithMarker(marker);
    if (seen.length > 0 === (count === 'some')) return;
    if (limit.aborted) throw new Error(`there are ${seen.length} processes with ${JSON.stringify(marker)}`);
    await delay(20);
  }
}
