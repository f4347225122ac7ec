import { type Offer, offer } from '@ritmo/protocol';
import { z } from 'zod';

/** A claim's answer before its jobs are read: one job that this agent cannot read must not cost the others. */
export const rawClaimAnswer = z.object({ offers: z.array(z.unknown()).default([]) });

/** What an offer needs so that it can be handed back. */
const leaseOfOffer = offer.pick({ lease: true, jobToken: true });
export type UnreadableOffer = z.output<typeof leaseOfOffer> & { readonly problem: string };

/** The offers that can be read, and those that must be handed back. */
export function sortOffers(raw: readonly unknown[]): {
  readonly good: Offer[];
  readonly unreadable: UnreadableOffer[];
} {
  const good: Offer[] = [];
  const unreadable: UnreadableOffer[] = [];
  for (const entry of raw) {
    const whole = offer.safeParse(entry);
    if (whole.success) {
      good.push(whole.data);
      continue;
    }
    const rest = leaseOfOffer.safeParse(entry);
    if (rest.success) unreadable.push({ ...rest.data, problem: z.prettifyError(whole.error).slice(0, 1000) });
  }
  return { good, unreadable };
}
