import { describe, expect, it } from 'vitest';
import { mapUnordered } from '../../src/artifact/map-unordered.js';
import { all, each } from './support.js';

const tick = () => new Promise((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

describe('work in parallel', () => {
  it('gives every result once and never exceeds its limit', async () => {
    let running = 0;
    let most = 0;
    const work = async (n: number) => {
      most = Math.max(most, ++running);
      for (let i = 0; i < n % 5; i++) await tick();
      running--;
      return n;
    };
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    const results = await all(mapUnordered(each(numbers), 7, work, never));
    expect(results.toSorted((a, b) => a - b)).toEqual(numbers);
    expect(most).toBe(7);
  });

  it('gives a result before the source has ended', async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    async function* slow() {
      yield 1;
      await gate;
      yield 2;
    }
    const results: number[] = [];
    for await (const result of mapUnordered(slow(), 3, async (n) => n, never)) {
      results.push(result);
      go();
    }
    expect(results).toEqual([1, 2]);
  });

  it('stops the others at the first failure, and tells the source', async () => {
    let closed = false;
    const aborted: number[] = [];
    async function* numbers() {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        closed = true;
      }
    }
    const work = (n: number, signal: AbortSignal) =>
      new Promise<number>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(n);
          reject(signal.reason);
        });
        if (n === 2) reject(new Error('two'));
      });
    await expect(all(mapUnordered(numbers(), 3, work, never))).rejects.toThrow('two');
    expect(closed).toBe(true);
    expect(aborted).toEqual([0, 1, 2]);
  });

  it('fails as its source does', async () => {
    async function* broken() {
      yield 1;
      throw new Error('no more');
    }
    await expect(all(mapUnordered(broken(), 2, async (n) => n, never))).rejects.toThrow('no more');
  });

  it('ends with the reason of its signal', async () => {
    const controller = new AbortController();
    const work = (n: number, signal: AbortSignal) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
        if (n === 2) controller.abort(new Error('enough'));
      });
    await expect(all(mapUnordered(each([1, 2]), 2, work, controller.signal))).rejects.toThrow('enough');
  });

  it('is ended by a consumer that goes away', async () => {
    let closed = false;
    async function* numbers() {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        closed = true;
      }
    }
    for await (const n of mapUnordered(numbers(), 2, async (value) => value, never)) if (n > 3) break;
    expect(closed).toBe(true);
  });
});
