import type { Clock } from '../executor/host.js';
import { following } from './deadline-signal.js';
import type { Outage } from './outage.js';
import type { Attempt, Settled } from './server-answer.js';

/** Bounds of the wait between two tries, in milliseconds. */
const minWaitMs = 250;
const maxWaitMs = 30_000;
/** A peer that asks for more patience than this is asked again all the same. */
const maxRetryAfterMs = 10 * 60_000;

export interface RetryScope {
  readonly clock: Clock;
  /** From 0 up to but without 1. */
  readonly random: () => number;
  readonly outage: Outage;
  /** Aborted when nothing is to be repeated any more. */
  readonly closed: AbortSignal;
}

/**
 * How long to wait before try `failures + 1`: a random part of 0.25 s, doubled at each failure, up to 30 s; after a
 * longer outage at once a random part of that outage, so that a thousand workers come back one by one. What the
 * server asks for wins; up to a tenth more spreads those that were told the same.
 */
export function waitMs(
  failures: number,
  retryAfterMs: number | undefined,
  outageMs: number,
  random: () => number,
): number {
  if (retryAfterMs !== undefined) {
    const asked = Math.min(Math.max(retryAfterMs, minWaitMs), maxRetryAfterMs);
    return asked + Math.min(asked / 10, maxWaitMs) * random();
  }
  const doubled = minWaitMs * 2 ** Math.min(failures, 10);
  const bound = Math.min(maxWaitMs, Math.max(doubled, outageMs));
  return minWaitMs + (bound - minWaitMs) * random();
}

/** Repeats `attempt` until it is answered by the server itself. Rejects with the reason of `signal` or of `scope.closed` only. */
export async function untilAnswered<T>(
  attempt: () => Promise<Attempt<T>>,
  scope: RetryScope,
  signal: AbortSignal,
): Promise<Settled<T>> {
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    scope.closed.throwIfAborted();
    const outcome = await attempt();
    if (outcome.kind !== 'retry') {
      scope.outage.answered();
      return outcome;
    }
    signal.throwIfAborted();
    scope.closed.throwIfAborted();
    const ms = waitMs(failures, outcome.retryAfterMs, scope.outage.elapsedMs(), scope.random);
    scope.outage.failed(outcome.why, ms);
    await following([signal, scope.closed], (over) => scope.clock.sleep(ms, over));
  }
}
