import { describe, expect, it } from 'vitest';
import { Slots } from '../../src/agent/slots.js';

const never = new AbortController().signal;

describe('slots', () => {
  it('gives the lowest number that is free', () => {
    const slots = new Slots(3);
    expect([slots.take(), slots.take(), slots.take(), slots.take()]).toEqual([0, 1, 2, undefined]);
    slots.give(1);
    expect(slots.take()).toBe(1);
  });

  it('wakes who waits for one', async () => {
    const slots = new Slots(1);
    slots.take();
    const free = slots.whenFree(never);
    slots.give(0);
    await free;
    expect(slots.free).toBe(1);
  });

  it('stops waiting when aborted', async () => {
    const slots = new Slots(1);
    slots.take();
    const control = new AbortController();
    const free = slots.whenFree(control.signal);
    control.abort(new Error('enough'));
    await expect(free).rejects.toThrow('enough');
  });

  it('lets builds run on when it becomes smaller, and wakes when it becomes larger', async () => {
    const slots = new Slots(2);
    slots.take();
    slots.take();
    slots.resize(1);
    slots.give(0);
    expect(slots.free).toBe(0);
    const free = slots.whenFree(never);
    slots.resize(2);
    await free;
  });
});
