import type { Offer } from '@ritmo/protocol';
import { randomUUID } from 'node:crypto';
import type { Clock, Logger } from '../executor/host.js';
import type { Transport } from '../transport/transport.js';
import { isFinal } from './final-errors.js';
import type { Slots } from './slots.js';
import { lastCallMs } from './take-leave.js';

/** Pause after the server answered a claim with an error that is neither retried nor final, in milliseconds. */
const refusedPauseMs = 10_000;

export interface ClaimLoop {
  readonly transport: Transport;
  readonly slots: Slots;
  readonly waitMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Told of each answer, with how many jobs it brought. */
  readonly answered: (offers: number) => void;
  /** Takes an offer into a slot. */
  readonly take: (offer: Offer, slot: number) => void;
  /** Hands an offer back that came too late. */
  readonly release: (offer: Offer) => Promise<void>;
}

/** Claims as many jobs as there are free slots, for ever. Ends when aborted; rejects with an error that ends the agent. */
export async function claimLoop(loop: ClaimLoop, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await loop.slots.whenFree(signal);
    } catch {
      return;
    }
    const request = { requestId: randomUUID(), max: loop.slots.free, waitMs: loop.waitMs };
    try {
      const offers = await loop.transport.claim(request, signal);
      loop.answered(offers.length);
      await place(loop, offers, signal);
    } catch (error) {
      if (signal.aborted) return handBack(loop, request);
      if (isFinal(error)) throw error;
      loop.log.error({ err: error }, 'the server refused a claim');
      await loop.clock.sleep(refusedPauseMs, signal).catch(() => {});
    }
  }
}

async function place(loop: ClaimLoop, offers: readonly Offer[], signal: AbortSignal): Promise<void> {
  for (const offer of offers) {
    const slot = signal.aborted ? undefined : loop.slots.take();
    if (slot === undefined) await loop.release(offer);
    else loop.take(offer, slot);
  }
}

/** The interrupted claim may have been answered: the same request id gives what it was answered. */
async function handBack(loop: ClaimLoop, request: { readonly requestId: string; readonly max: number }): Promise<void> {
  try {
    const offers = await loop.transport.claim({ ...request, waitMs: 0 }, AbortSignal.timeout(lastCallMs));
    await Promise.all(offers.map((offer) => loop.release(offer)));
  } catch (error) {
    loop.log.debug({ err: error }, 'offers of the interrupted claim are left to run out');
  }
}
