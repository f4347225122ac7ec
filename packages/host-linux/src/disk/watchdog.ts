import type { Clock } from '@ritmo/agent-core/executor';
import type { TreeSize } from './tree-size.js';

/** Counting takes at most this part of the time, and so of one processor. */
const share = 0.05;
const defaultIntervalMs = 1_000;

export interface DiskWatchSettings {
  /** Counts what is used; it may stop past the limit. */
  readonly size: (signal: AbortSignal) => Promise<Pick<TreeSize, 'bytes' | 'complete'>>;
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Time from the end of one count to the next, in milliseconds, where counting is quick; 1,000 where absent. */
  readonly intervalMs?: number;
  /** Told once, when more than the limit was counted, or so much that it cannot be counted. */
  readonly onOver: (bytes: number) => void;
  /** A count that failed; the next one is made all the same. */
  readonly onError: (error: unknown) => void;
}

/** A limit of disk that no kernel holds: what is used is counted again and again. It sees what is over afterwards. */
export interface DiskWatch extends AsyncDisposable {
  /** The most that was counted so far. */
  readonly peakBytes: number;
  readonly over: boolean;
  /** How long it waits before its next count, in milliseconds. */
  readonly pauseMs: number;
  /** Counts now, as at the end of a step; true when more than the limit was found now or before. */
  look(): Promise<boolean>;
}

/** Watches until it is disposed, or has found more than the limit. A slow count makes the next one wait longer. */
export function watchDisk(settings: DiskWatchSettings): DiskWatch {
  return new Watch(settings);
}

class Watch implements DiskWatch {
  peakBytes = 0;
  over = false;
  pauseMs: number;
  readonly #settings: DiskWatchSettings;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #counting: Promise<void> | undefined;

  constructor(settings: DiskWatchSettings) {
    this.#settings = settings;
    this.pauseMs = settings.intervalMs ?? defaultIntervalMs;
    this.#running = this.#run();
  }

  async look(): Promise<boolean> {
    if (this.over || this.#closing.signal.aborted) return this.over;
    // One that is under way has begun before now.
    await this.#counting;
    await this.#count();
    return this.over;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('The disk is not watched any more.'));
    await this.#running;
    await this.#counting;
  }

  async #run(): Promise<void> {
    const { clock, intervalMs = defaultIntervalMs } = this.#settings;
    while (!this.over && (await this.#passed(this.pauseMs))) {
      const since = clock.monotonic();
      await this.#count();
      this.pauseMs = Math.max(intervalMs, (clock.monotonic() - since) * (1 / share - 1));
    }
  }

  async #passed(ms: number): Promise<boolean> {
    try {
      await this.#settings.clock.sleep(ms, this.#closing.signal);
      return !this.#closing.signal.aborted;
    } catch {
      return false;
    }
  }

  /** Never two at once. */
  #count(): Promise<void> {
    this.#counting ??= this.#countOnce().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  async #countOnce(): Promise<void> {
    const { size, limitBytes, onOver, onError } = this.#settings;
    try {
      const { bytes, complete } = await size(this.#closing.signal);
      this.peakBytes = Math.max(this.peakBytes, bytes);
      if (this.over || (bytes <= limitBytes && complete)) return;
      this.over = true;
      onOver(bytes);
    } catch (error) {
      if (!this.#closing.signal.aborted) onError(error);
    }
  }
}
