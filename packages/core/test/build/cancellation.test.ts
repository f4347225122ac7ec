import { expect, it } from 'vitest';
import { Cancellation } from '../../src/build/cancellation.js';

it('keeps the first reason', () => {
  const cancellation = new Cancellation();
  expect(cancellation.cancel({ reason: 'user' })).toBe(true);
  expect(cancellation.cancel({ reason: 'job-timeout' })).toBe(false);
  expect(cancellation.cause).toEqual({ reason: 'user' });
  expect(cancellation.abandoned.aborted).toBe(false);
});

it('ends cleanup too when abandoned after a cancel, under the first reason', () => {
  const cancellation = new Cancellation();
  cancellation.cancel({ reason: 'user' });
  expect(cancellation.abandon({ reason: 'agent-stopping' })).toBe(false);
  expect(cancellation.cause).toEqual({ reason: 'user' });
  expect(cancellation.abandoned.aborted).toBe(true);
});

it('leaves no time for cleanup when the lease is lost', () => {
  const cancellation = new Cancellation();
  cancellation.cancel({ reason: 'lease-lost' });
  expect(cancellation.abandoned.aborted).toBe(true);
});
