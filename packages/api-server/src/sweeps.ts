import type { Services } from './http/services.js';
import { Stopwatch } from './clock.js';

const expireEveryMs = 60_000;
/** So many sweep intervals without a sweep mean that the server itself stood still. */
const stalledAfter = 3;

/** Looks at leases, at waits that are over, and at files past their time. Answers how to stop. */
export function startSweeps(services: Services): () => void {
  const { settings, leases, lifecycle, queue, claims, artifacts } = services;
  const sinceExpire = new Stopwatch(settings.clock);
  let lastTick = performance.now();
  const sweep = () => {
    const now = performance.now();
    const stalled = now - lastTick > stalledAfter * settings.sweepMs;
    lastTick = now;
    // Renewals that arrived while the server stood still are read before anything is called lost.
    if (stalled) return;
    for (const { lease, why } of leases.expired()) {
      settings.log.warn('lease over', { job: lease.jobId, epoch: lease.epoch, worker: lease.workerId, why });
      lifecycle.lose(lease.jobId, lease.epoch, why);
    }
    for (const workerId of queue.releasedHolds()) claims.workerChanged(workerId);
    if (sinceExpire.elapsed() < expireEveryMs) return;
    sinceExpire.restart();
    artifacts
      .expire()
      .catch((error: unknown) => settings.log.error('expired artifacts stay', { error: String(error) }));
  };
  const timer = setInterval(() => guarded(sweep, services), settings.sweepMs);
  return () => clearInterval(timer);
}

/** A sweep that fails (a full disk) is tried again at the next one. */
function guarded(sweep: () => void, services: Services): void {
  try {
    sweep();
  } catch (error) {
    services.settings.log.error('a sweep failed', {
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }
}
