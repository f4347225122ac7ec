import { type Lease, RitmoError } from '@ritmo/agent-core';
import type { AppendAnswer, JobResult, Seal } from '@ritmo/protocol';
import type { Attempt } from '../reference/place.js';
import { MemoryTransport, sha256 } from '../reference/transport.js';
import type { Mutant } from './mutant.js';

/** What becomes of logs, results and files. */
export const writeMutants: readonly Mutant[] = [
  {
    wrong: 'appends whatever comes, wherever it begins',
    Transport: class extends MemoryTransport {
      override async appendLog(lease: Lease, _offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
        return super.appendLog(lease, await this.logOffset(lease), bytes);
      }
    },
    caughtBy: ['log.repeat', 'log.overlap', 'log.gap'],
  },
  {
    wrong: 'skips what begins before its end, also where more follows',
    Transport: class extends MemoryTransport {
      override async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
        const next = await this.logOffset(lease);
        return offset < next ? { next } : super.appendLog(lease, offset, bytes);
      }
    },
    caughtBy: ['log.overlap'],
  },
  {
    wrong: 'fills a gap with nothing and goes on',
    Transport: class extends MemoryTransport {
      override async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
        const { attempt } = this.check(lease);
        if (offset <= attempt.log.length) return super.appendLog(lease, offset, bytes);
        attempt.log = Buffer.concat([attempt.log, Buffer.alloc(offset - attempt.log.length), bytes]);
        return { next: attempt.log.length };
      }
    },
    caughtBy: ['log.gap'],
  },
  {
    wrong: 'keeps the log as text',
    Transport: class extends MemoryTransport {
      override appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
        return super.appendLog(lease, offset, Buffer.from(Buffer.from(bytes).toString()));
      }
    },
    caughtBy: ['log.cut'],
  },
  {
    wrong: 'says that it has all, and keeps a megabyte',
    Transport: class extends MemoryTransport {
      override async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
        if (bytes.length <= 2 ** 20) return super.appendLog(lease, offset, bytes);
        await super.appendLog(lease, offset, bytes.subarray(0, 2 ** 20));
        return { next: offset + bytes.length };
      }
    },
    caughtBy: ['log.much'],
  },
  {
    wrong: 'seals what is there, whatever it is',
    Transport: class extends MemoryTransport {
      override async sealLog(lease: Lease, _seal: Seal) {
        const { attempt } = this.check(lease);
        return super.sealLog(lease, { length: attempt.log.length, sha256: sha256(attempt.log), truncatedBytes: 0 });
      }
    },
    caughtBy: ['seal.missing', 'seal.different'],
  },
  {
    wrong: 'takes bytes after the seal',
    Transport: class extends MemoryTransport {
      override async sealLog(lease: Lease, seal: Seal) {
        const answer = await super.sealLog(lease, seal);
        delete this.check(lease).attempt.sealed;
        return answer;
      }
    },
    caughtBy: ['seal.closed'],
  },
  {
    wrong: 'refuses a seal that it has taken',
    Transport: class extends MemoryTransport {
      override async sealLog(lease: Lease, seal: Seal) {
        if (this.check(lease).attempt.sealed !== undefined) throw new RitmoError('RITMO_LOG_MISMATCH', 'Sealed.');
        return super.sealLog(lease, seal);
      }
    },
    caughtBy: ['seal.whole'],
  },
  {
    wrong: 'lets the last end stand',
    Transport: class extends MemoryTransport {
      override async finish(lease: Lease, result: JobResult): Promise<void> {
        delete this.check(lease).entry.result;
        await super.finish(lease, result);
      }
    },
    caughtBy: ['finish.once'],
  },
  {
    wrong: 'calls every end that is no success a failure',
    Transport: class extends MemoryTransport {
      override finish(lease: Lease, result: JobResult): Promise<void> {
        return super.finish(lease, result.outcome === 'succeeded' ? result : { ...result, outcome: 'failed' });
      }
    },
    caughtBy: ['finish.timed_out', 'finish.errored'],
  },
  {
    wrong: 'gives up where an answer was lost',
    Transport: class extends MemoryTransport {
      override answered<T>(work: () => T): T {
        const answer = work();
        if (this.place.lost === 0) return answer;
        this.place.lost -= 1;
        throw new Error('socket hang up');
      }
    },
    caughtBy: ['answers.claim', 'answers.writes'],
  },
  {
    wrong: 'stores a file whatever its sha256',
    Transport: class extends MemoryTransport {
      override complete(attempt: Attempt, artifactId: string): void {
        super.complete(attempt, artifactId, sha256(attempt.sent.get(artifactId) ?? Buffer.of()));
      }
    },
    caughtBy: ['artifacts.sha256'],
  },
];
