import { createHash } from 'node:crypto';
import type { Lease } from '@ritmo/agent-core';
import type { AppendAnswer, JobResult } from '@ritmo/protocol';
import type { KitWorker } from './worker.js';

/** One attempt of a job in the hands of a worker of the kit. */
export class KitBuild {
  readonly worker: KitWorker;
  readonly lease: Lease;

  constructor(worker: KitWorker, lease: Lease) {
    this.worker = worker;
    this.lease = lease;
  }

  accept(): Promise<void> {
    const { transport, signal } = this.worker;
    return this.worker.bounded('accept', transport.accept(this.lease, signal));
  }

  release(): Promise<void> {
    const { transport, signal } = this.worker;
    const why = { code: 'RITMO_NO_ROOM', message: 'There is no room.' };
    return this.worker.bounded('release', transport.release(this.lease, why, signal));
  }

  append(offset: number, text: string | Uint8Array): Promise<AppendAnswer> {
    const { transport, signal } = this.worker;
    return this.worker.bounded('appendLog', transport.appendLog(this.lease, offset, bytesOf(text), signal));
  }

  /** All of it from `offset` on, in as many calls as the transport takes it in. Answers where it ends. */
  async send(text: string | Uint8Array, offset = 0): Promise<number> {
    const bytes = bytesOf(text);
    let next = offset;
    while (next < offset + bytes.length) {
      const answer = await this.append(next, bytes.subarray(next - offset));
      if (answer.next <= next) throw new Error(`bytes from ${next} on were not taken; ${answer.next} is wanted next`);
      next = answer.next;
    }
    return next;
  }

  offset(): Promise<number> {
    const { transport, signal } = this.worker;
    return this.worker.bounded('logOffset', transport.logOffset(this.lease, signal));
  }

  /** Seals what `text` says the log is. */
  seal(text: string | Uint8Array): Promise<{ readonly next: number } | undefined> {
    const { transport, signal } = this.worker;
    const bytes = bytesOf(text);
    const seal = { length: bytes.length, sha256: sha256(bytes), truncatedBytes: 0 };
    return this.worker.bounded('sealLog', transport.sealLog(this.lease, seal, signal));
  }

  finish(over: Partial<JobResult> = {}): Promise<void> {
    const { transport, signal } = this.worker;
    const result: JobResult = { outcome: 'succeeded', steps: [], durationMs: 1, artifacts: 0, ...over };
    return this.worker.bounded('finish', transport.finish(this.lease, result, signal));
  }

  /** The same attempt under another epoch, which nobody was given. */
  under(epoch: number): KitBuild {
    return new KitBuild(this.worker, { ...this.lease, epoch });
  }

  /** Likewise, of a job that nobody has. */
  ofNobody(): KitBuild {
    return new KitBuild(this.worker, { ...this.lease, jobId: 'kit-nobody' });
  }

  /** Every write that a lease allows, by its name. */
  get writes(): Readonly<Record<string, () => Promise<unknown>>> {
    return {
      accept: () => this.accept(),
      appendLog: () => this.append(0, '{"k":"stale"}\n'),
      logOffset: () => this.offset(),
      sealLog: () => this.seal(''),
      release: () => this.release(),
      finish: () => this.finish({ outcome: 'failed', exitCode: 9 }),
    };
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text) : text;
}
