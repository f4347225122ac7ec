import { describe, expect, it } from 'vitest';
import { type Clock, Stopper, type StopTarget } from '../../src/executor.js';

/** A clock whose sleeps are over at once, each as long as asked. */
function quickClock(): Clock {
  let time = 0;
  return {
    now: () => time,
    monotonic: () => time,
    sleep: async (ms) => {
      time += ms;
      await Promise.resolve();
    },
  };
}

/** Processes that end `after` that many looks once they were signalled; never where absent. */
function processes({ deafLooks = 0, after }: { deafLooks?: number; after?: number } = {}) {
  const said: string[] = [];
  let looks = 0;
  let signalledAt: number | undefined;
  const target: StopTarget<string> = {
    running: () => {
      looks += 1;
      return signalledAt !== undefined && after !== undefined && looks > signalledAt + after ? [] : ['one'];
    },
    signal: (_, signal) => {
      if (looks <= deafLooks) return false;
      said.push(signal);
      signalledAt = looks;
      return true;
    },
    kill: () => void said.push('kill'),
  };
  return { said, target };
}

const scope = (signal: AbortSignal, graceMs = 100) => ({ signal, stop: { signal: 'SIGTERM' as const, graceMs } });

describe('a stop', () => {
  it('signals, and kills what serves a command whose processes have ended in time', async () => {
    const { said, target } = processes({ after: 2 });
    const cancel = new AbortController();
    const stopper = new Stopper(target, scope(cancel.signal), quickClock());
    cancel.abort({ reason: 'step-timeout' });
    await stopper.killed;
    expect(await stopper.finish()).toEqual({ cause: { reason: 'step-timeout' }, forced: false });
    expect(said).toEqual(['SIGTERM', 'kill']);
  });

  it('is forced when the grace is over, that of the cause before that of the step', async () => {
    const { said, target } = processes();
    const clock = quickClock();
    const cancel = new AbortController();
    const stopper = new Stopper(target, scope(cancel.signal, 60_000), clock);
    cancel.abort({ reason: 'user', graceMs: 40 });
    await stopper.killed;
    expect(await stopper.finish()).toMatchObject({ forced: true });
    expect(clock.monotonic()).toBe(40);
    expect(said).toEqual(['SIGTERM', 'kill']);
  });

  it('signals again where the first signal would have reached nobody', async () => {
    const { said, target } = processes({ deafLooks: 3, after: 1 });
    const stopper = new Stopper(target, scope(AbortSignal.abort(), 60_000), quickClock());
    await stopper.killed;
    expect(await stopper.finish()).toEqual({ cause: { reason: 'user' }, forced: false });
    expect(said).toEqual(['SIGTERM', 'kill']);
  });

  it('did not take place when the command ended before anything was signalled', async () => {
    const { said, target } = processes({ deafLooks: Number.POSITIVE_INFINITY });
    const clock = quickClock();
    const cancel = new AbortController();
    const stopper = new Stopper(target, scope(cancel.signal), {
      ...clock,
      sleep: (_, signal) => {
        signal?.throwIfAborted();
        return new Promise((_resolve, reject) => signal?.addEventListener('abort', reject));
      },
    });
    cancel.abort({ reason: 'user' });
    expect(await stopper.finish()).toBeUndefined();
    expect(said).toEqual([]);
  });

  it('that cannot kill says so to who waits for the end', async () => {
    const { target } = processes();
    const failing = { ...target, kill: () => Promise.reject(new Error('survives')) };
    const stopper = new Stopper(failing, scope(AbortSignal.abort({ reason: 'user', graceMs: 0 })), quickClock());
    await expect(
      new Promise((resolve) => setImmediate(resolve)).then(async () => await stopper.finish()),
    ).rejects.toThrow('survives');
  });
});
