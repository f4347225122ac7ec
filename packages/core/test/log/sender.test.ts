import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AppendAnswer, CancelOrder, Seal } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { RitmoError } from '../../src/errors.js';
import { outputLine } from '../../src/log/records.js';
import { LogSender } from '../../src/log/sender.js';
import { Spool } from '../../src/log/spool.js';
import type { Lease } from '../../src/transport/transport.js';
import { folder, header } from './support.js';

const lease: Lease = { jobId: 'job-1', epoch: 1, token: 'token', ttlMs: 60_000 };
const live = new AbortController().signal;

/** What a server keeps of one log, by the rules of the worker API. */
class ServerLog {
  bytes = Buffer.alloc(0);
  sealed = false;
  readonly appends: { offset: number; length: number }[] = [];
  /** Changes what one append does; answers instead of the rules where it returns something. */
  onAppend: (offset: number, bytes: Uint8Array) => Promise<AppendAnswer | undefined> | AppendAnswer | undefined = () =>
    undefined;
  seals = 0;
  mismatched = false;

  async appendLog(_: Lease, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<AppendAnswer> {
    signal.throwIfAborted();
    this.appends.push({ offset, length: bytes.length });
    const answer = await this.onAppend(offset, bytes);
    if (answer !== undefined) return answer;
    if (this.sealed) throw new RitmoError('RITMO_SEALED', 'sealed');
    const known = this.bytes.length - offset;
    if (known >= 0) this.bytes = Buffer.concat([this.bytes, bytes.subarray(known)]);
    return { next: this.bytes.length };
  }

  async logOffset(): Promise<number> {
    return this.bytes.length;
  }

  async sealLog(_: Lease, seal: Seal): Promise<{ next: number } | undefined> {
    this.seals++;
    if (this.sealed) return undefined;
    if (this.bytes.length < seal.length) return { next: this.bytes.length };
    if (this.bytes.length === seal.length && createHash('sha256').update(this.bytes).digest('hex') === seal.sha256) {
      this.sealed = true;
      return undefined;
    }
    if (this.mismatched) throw new RitmoError('RITMO_LOG_MISMATCH', 'differs');
    this.mismatched = true;
    this.bytes = Buffer.alloc(0);
    return { next: 0 };
  }
}

async function spoolIn(path: string, lines: number): Promise<Spool> {
  const spool = await Spool.create(path, header);
  print(spool, lines);
  return spool;
}

function print(spool: Spool, lines: number, text = 'some text\n'): void {
  for (let i = 0; i < lines; i++) spool.appendOutput(i, outputLine(i, 0, 1, Buffer.from(text)));
}

describe('a log sender', () => {
  it('sends the log as it grows, and seals it', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 3);
    const server = new ServerLog();
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    print(spool, 1000);
    await spool.more(spool.length - 1);
    print(spool, 1000);
    await sender.finish(await spool.close());
    await sender.done;
    expect(server.sealed).toBe(true);
    expect(server.bytes.equals(await readFile(home.file('log')))).toBe(true);
    expect(sender.sent).toBe(server.bytes.length);
  });

  it('sends all that waits at once when an answer came, at most 4 MiB', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 1);
    const server = new ServerLog();
    let answer = (): void => undefined;
    const first = new Promise<void>((resolve) => {
      server.onAppend = async () => {
        server.onAppend = () => undefined;
        resolve();
        await new Promise<void>((go) => {
          answer = go;
        });
        return undefined;
      };
    });
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    await first;
    print(spool, 200, `${'x'.repeat(30_000)}\n`);
    const end = await spool.close();
    expect(server.appends).toHaveLength(1);
    answer();
    await sender.finish(end);
    expect(server.appends.map(({ length }) => length).slice(1)).toEqual([
      4_194_304,
      end.length - 4_194_304 - (server.appends[0]?.length ?? 0),
    ]);
    expect(server.sealed).toBe(true);
  });

  it('goes back where the server lost something, and over what it has', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 100);
    const server = new ServerLog();
    let calls = 0;
    server.onAppend = (_, bytes) => {
      calls++;
      if (calls === 1) {
        server.bytes = Buffer.from(bytes.subarray(0, 50));
        return { next: 50 };
      }
      if (calls === 2) {
        server.bytes = Buffer.alloc(0);
        return { next: 0 };
      }
      return undefined;
    };
    const seal = await spool.close();
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    await sender.finish(seal);
    expect(server.bytes.equals(await readFile(home.file('log')))).toBe(true);
    expect(server.appends.map(({ offset }) => offset)).toEqual([0, 50, 0]);
  });

  it('goes on at the offset of the server after a restart', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 100);
    const end = await spool.close();
    const server = new ServerLog();
    server.bytes = (await readFile(home.file('log'))).subarray(0, 1234);
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live, resume: true });
    await sender.finish(end);
    expect(server.appends).toEqual([{ offset: 1234, length: end.length - 1234 }]);
    expect(server.sealed).toBe(true);
  });

  it('goes on at the offset of the server when a power loss made the spool shorter', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 10);
    const server = new ServerLog();
    server.bytes = Buffer.alloc(spool.length + 5000, 0x2e);
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live, resume: true });
    await spool.more(spool.length + 4999);
    await sender.finish(await spool.close());
    expect(server.mismatched).toBe(true);
    expect(server.sealed).toBe(true);
    expect(server.bytes.toString()).toContain('lost 4.9 KiB of this log');
  });

  it.each(['to an append', 'to the question where to go on'])(
    'gives up when the server answers %s with an offset that no log reaches, and writes nothing',
    async (which) => {
      await using home = await folder();
      await using spool = await Spool.create(home.file('log'), header, { maxBytes: 1_048_576 });
      const server = new ServerLog();
      const next = 2 ** 28;
      server.onAppend = () => ({ next });
      const resume = which !== 'to an append';
      server.logOffset = async () => next;
      const sender = new LogSender({ source: spool, transport: server, lease, signal: live, resume });
      await expect(sender.done).rejects.toMatchObject({ code: 'RITMO_LOG_GAP' });
      expect((await readFile(home.file('log'))).length).toBe(spool.length);
    },
  );

  it('sends again when the seal is answered with an offset, and gives up when the server still differs', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 100);
    const server = new ServerLog();
    const spoil = (): undefined => {
      server.bytes = Buffer.from(server.bytes).fill(0x78, 0, 1);
    };
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    const end = await spool.close();
    await spool.more(0);
    server.onAppend = (offset, bytes) => {
      server.bytes = Buffer.concat([server.bytes.subarray(0, offset), bytes]);
      spoil();
      return { next: server.bytes.length };
    };
    await expect(sender.finish(end)).rejects.toMatchObject({ code: 'RITMO_LOG_MISMATCH' });
    await expect(sender.done).rejects.toMatchObject({ code: 'RITMO_LOG_MISMATCH' });
    expect(server.seals).toBe(2);
  });

  it('gives up on a server that goes in circles', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 10);
    const server = new ServerLog();
    server.onAppend = () => ({ next: 0 });
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    await expect(sender.done).rejects.toMatchObject({ code: 'RITMO_LOG_GAP' });
    expect(server.appends.length).toBeLessThan(20);
  });

  it('tells a cancel that comes with an answer, once', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 1);
    const server = new ServerLog();
    const orders: CancelOrder[] = [];
    server.onAppend = (offset, bytes) => {
      server.bytes = Buffer.concat([server.bytes.subarray(0, offset), bytes]);
      return { next: server.bytes.length, cancel: { reason: 'user', graceMs: 5000 } };
    };
    const sender = new LogSender({
      source: spool,
      transport: server,
      lease,
      signal: live,
      onCancel: (order) => orders.push(order),
    });
    for (let i = 0; i < 5; i++) {
      print(spool, 1);
      await spool.more(spool.length - 1);
    }
    await sender.finish(await spool.close());
    expect(orders).toEqual([{ reason: 'user', graceMs: 5000 }]);
  });

  it('ends with the word of the server, and sends nothing more', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 1);
    const server = new ServerLog();
    server.onAppend = () => {
      throw new RitmoError('RITMO_FENCED', 'another attempt holds the job');
    };
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    await expect(sender.done).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    print(spool, 10);
    await expect(sender.finish(await spool.close())).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    expect(server.appends).toHaveLength(1);
    expect(server.seals).toBe(0);
  });

  it('takes a log that is sealed already for sent', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 10);
    const server = new ServerLog();
    server.sealed = true;
    const sender = new LogSender({ source: spool, transport: server, lease, signal: live });
    await expect(sender.finish(await spool.close())).resolves.toBeUndefined();
    expect(server.bytes).toHaveLength(0);
  });

  it('stops when either signal is aborted', async () => {
    await using home = await folder();
    await using spool = await spoolIn(home.file('log'), 10);
    const stop = new AbortController();
    const sender = new LogSender({ source: spool, transport: new ServerLog(), lease, signal: stop.signal });
    await spool.more(0);
    stop.abort(new Error('build is over'));
    await expect(sender.done).rejects.toThrow('build is over');

    const silent = new ServerLog();
    silent.appendLog = (_lease, _offset, _bytes, signal) =>
      new Promise((_, reject) => {
        signal.throwIfAborted();
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const other = new LogSender({ source: spool, transport: silent, lease, signal: live });
    await expect(other.finish(await spool.close(), AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
  });
});
