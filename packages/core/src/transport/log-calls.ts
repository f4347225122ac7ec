import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  type AppendAnswer,
  appendAnswer,
  empty,
  epochHeader,
  logNextHeader,
  maxAppendBytes,
  type Seal,
} from '@ritmo/protocol';
import type { ApiClient } from './api-client.js';
import type { JobCall, JobCalls } from './job-calls.js';
import { untilAnswered } from './retry.js';
import { type Attempt, refusalError, type Settled } from './server-answer.js';
import type { Lease } from './transport.js';

const compress = promisify(gzip);
/** Below this a packet more or less does not matter. */
const minCompressBytes = 2048;
/** A server that takes less than this at once takes no log. */
const minAppendBytes = 1024;
const timeoutMs = 60_000;
/** An append that takes longer than `slowMs` is followed by smaller ones, down to the least; a quick one by larger ones. */
const slowMs = 5_000;
const quickMs = 1_000;
const firstPaceBytes = 512 * 1024;
const leastPaceBytes = 16 * 1024;

/** The log of a build on its way: append, where to go on, seal. */
export class LogCalls {
  readonly #api: ApiClient;
  readonly #jobs: JobCalls;
  /** Most bytes in one append; halved when the server, or a proxy before it, says that it is too much. */
  #maxBytes = Number.POSITIVE_INFINITY;
  /** Most bytes that the line carries in good time. */
  #paceBytes = firstPaceBytes;

  constructor(api: ApiClient, jobs: JobCalls) {
    this.#api = api;
    this.#jobs = jobs;
  }

  /** Sends as much as the server takes at once; `next` says how much that was. */
  async append(lease: Lease, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<AppendAnswer> {
    for (;;) {
      const { settled, part } = await this.#put(lease, offset, bytes, signal);
      if (settled.kind === 'ok') return settled.value;
      const { status, error } = settled;
      if (status === 416 && error.next !== undefined) return { next: error.next };
      if (status !== 413 || part.length <= minAppendBytes) throw refusalError(status, error);
      this.#maxBytes = Math.max(minAppendBytes, Math.floor(part.length / 2));
    }
  }

  async next(lease: Lease, signal: AbortSignal): Promise<number> {
    const settled = await untilAnswered(() => this.#head(lease, signal), this.#api, signal);
    if (settled.kind === 'ok' && settled.value !== undefined) return settled.value;
    // A HEAD carries no error of ours: an empty append asks the same, and is answered in words.
    return (await this.append(lease, 0, new Uint8Array(0), signal)).next;
  }

  async seal(lease: Lease, seal: Seal, signal: AbortSignal): Promise<{ readonly next: number } | undefined> {
    const settled = await this.#jobs.settle(
      lease,
      { method: 'POST', path: '/log/seal', json: { ...seal, epoch: lease.epoch }, schema: empty, timeoutMs },
      signal,
    );
    if (settled.kind === 'ok') return undefined;
    const { status, error } = settled;
    if (status === 412 && error.next !== undefined) return { next: error.next };
    throw refusalError(status, error);
  }

  /** Each try takes as much as the line is known to carry by then. */
  async #put(
    lease: Lease,
    offset: number,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<{ readonly settled: Settled<AppendAnswer>; readonly part: Uint8Array }> {
    let part = bytes;
    let begun: number | undefined;
    const make = async () => {
      if (begun !== undefined) this.#learn(part, this.#api.clock.monotonic() - begun);
      begun = this.#api.clock.monotonic();
      part = bytes.subarray(0, Math.min(this.#maxBytes, this.#paceBytes));
      return this.#call(lease, offset, part);
    };
    const settled = await this.#jobs.settleEach(lease, make, signal);
    if (begun !== undefined) this.#learn(part, this.#api.clock.monotonic() - begun);
    return { settled, part };
  }

  async #call(lease: Lease, offset: number, part: Uint8Array): Promise<JobCall<AppendAnswer>> {
    const packed = await this.#pack(part);
    return {
      method: 'PUT',
      path: `/log?offset=${offset}`,
      bytes: packed ?? part,
      headers: {
        [epochHeader]: String(lease.epoch),
        ...(packed === undefined ? {} : { 'content-encoding': 'gzip' }),
      },
      schema: appendAnswer,
      timeoutMs,
      sizeMatters: part.length > minAppendBytes,
    };
  }

  #learn(part: Uint8Array, tookMs: number): void {
    if (tookMs > slowMs) this.#paceBytes = Math.max(leastPaceBytes, this.#paceBytes / 2);
    else if (tookMs < quickMs && part.length === this.#paceBytes)
      this.#paceBytes = Math.min(maxAppendBytes, this.#paceBytes * 2);
  }

  /** Packed where the network is slower than the packing, and where it is worth it. */
  async #pack(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#api.address.loopback || bytes.length < minCompressBytes) return undefined;
    const packed = await compress(bytes, { level: 1 });
    return packed.length < bytes.length * 0.9 ? packed : undefined;
  }

  async #head(lease: Lease, signal: AbortSignal): Promise<Attempt<number | undefined>> {
    try {
      const answer = await this.#api.send(
        {
          method: 'HEAD',
          path: `/v1/jobs/${encodeURIComponent(lease.jobId)}/log`,
          token: lease.token,
          headers: { [epochHeader]: String(lease.epoch) },
        },
        { timeoutMs: 20_000, signal },
      );
      await answer.discard();
      const next = answer.header(logNextHeader);
      const known = answer.status === 200 && next !== undefined && /^\d{1,15}$/.test(next);
      if (!known && answer.status >= 500)
        return { kind: 'retry', status: answer.status, why: `status ${answer.status}` };
      return { kind: 'ok', status: answer.status, value: known ? Number(next) : undefined };
    } catch (error) {
      signal.throwIfAborted();
      return { kind: 'retry', why: error instanceof Error ? error.message : String(error) };
    }
  }
}
