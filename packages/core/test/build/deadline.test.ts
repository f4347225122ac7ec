import { expect, it, vi } from 'vitest';
import { after, withDeadline } from '../../src/build/deadline.js';

it('waits longer than a timer of Node can', () => {
  vi.useFakeTimers();
  try {
    const called = vi.fn();
    const month = 30 * 24 * 60 * 60_000;
    after(month, called);
    vi.advanceTimersByTime(month - 1_000);
    expect(called).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2_000);
    expect(called).toHaveBeenCalledOnce();
  } finally {
    vi.useRealTimers();
  }
});

it('forgets a deadline that was disposed', () => {
  vi.useFakeTimers();
  try {
    const deadline = withDeadline([], 10, { reason: 'step-timeout' });
    deadline[Symbol.dispose]();
    vi.advanceTimersByTime(100);
    expect(deadline.signal.aborted).toBe(false);
  } finally {
    vi.useRealTimers();
  }
});

it('passes on the reason of the signal that came first', () => {
  const control = new AbortController();
  using deadline = withDeadline([control.signal], 10_000, { reason: 'step-timeout' });
  control.abort({ reason: 'user' });
  expect(deadline.signal.reason).toEqual({ reason: 'user' });
});
