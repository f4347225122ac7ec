import { constants } from 'node:os';

/** The name of a signal of this system, or undefined for a number that is none. */
export function signalNamed(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
