import { createHash } from 'node:crypto';
import { job, type JobResult } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { LocalTransport, type LocalTransportOptions } from '../../src/transport/index.js';
import { aJob, info, never } from './support.js';

function local(more: Partial<LocalTransportOptions> = {}): LocalTransport & { text(): string } {
  let text = '';
  const onLog = (bytes: Uint8Array) => {
    text += Buffer.from(bytes).toString();
  };
  const transport = new LocalTransport({ job: aJob, secrets: {}, jobId: 'here', onLog, ...more });
  return Object.assign(transport, { text: () => text });
}

const lease = { jobId: 'here', epoch: 1, token: '', ttlMs: 1 };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const seal = (text: string) => ({ length: text.length, sha256: sha256(text), truncatedBytes: 0 });
const claim = (requestId: string, waitMs = 0) => ({ requestId, max: 1, waitMs });

describe('a job without a server', () => {
  it('is offered once, with the secrets that it names and no others', async () => {
    const named = job.parse({ ...aJob, secrets: [{ name: 'TOKEN' }] });
    await using transport = local({ job: named, secrets: { TOKEN: 'a', OTHER: 'b' } });
    await expect(transport.register()).resolves.toMatchObject({ leases: [] });
    const [offer] = await transport.claim(claim('request-1'), never());
    expect(offer).toMatchObject({
      job: { name: 'build' },
      secrets: { TOKEN: 'a' },
      lease: { jobId: 'here', epoch: 1 },
    });
    expect(offer?.secrets).not.toHaveProperty('OTHER');
    await expect(transport.claim(claim('request-1'), never())).resolves.toHaveLength(1);
    await expect(transport.claim(claim('request-2'), never())).resolves.toEqual([]);
  });

  it('ends waiting claims and events with the signal, or when the transport is closed', async () => {
    const transport = local();
    await transport.claim(claim('request-1'), never());
    const controller = new AbortController();
    const aborted = transport.claim(claim('request-2', 60_000), controller.signal);
    controller.abort(new Error('stop'));
    await expect(aborted).rejects.toThrow('stop');
    const waiting = transport.claim(claim('request-2', 60_000), never());
    const events = transport.events(never())[Symbol.asyncIterator]();
    const next = events.next();
    await transport[Symbol.asyncDispose]();
    await expect(waiting).resolves.toEqual([]);
    await expect(next).resolves.toEqual({ done: true, value: undefined });
  });

  it('hands each byte of the log on once, in order, and verifies the seal', async () => {
    await using transport = local();
    await expect(transport.appendLog(lease, 0, Buffer.from('abc'))).resolves.toEqual({ next: 3 });
    await expect(transport.appendLog(lease, 1, Buffer.from('bcdef'))).resolves.toEqual({ next: 6 });
    await expect(transport.appendLog(lease, 9, Buffer.from('x'))).resolves.toEqual({ next: 6 });
    await expect(transport.logOffset(lease)).resolves.toBe(6);
    expect(transport.text()).toBe('abcdef');
    await expect(transport.sealLog(lease, seal('abcdefgh'))).resolves.toEqual({ next: 6 });
    await expect(transport.sealLog(lease, seal('abcdeX'))).rejects.toMatchObject({ code: 'RITMO_LOG_MISMATCH' });
    await expect(transport.sealLog(lease, seal('abcdef'))).resolves.toBeUndefined();
    await expect(transport.appendLog(lease, 6, Buffer.from('g'))).rejects.toMatchObject({ code: 'RITMO_SEALED' });
    expect(transport.text()).toBe('abcdef');
  });

  it('holds the next bytes back until the last ones are taken', async () => {
    const order: string[] = [];
    let take = () => {};
    const onLog = async (bytes: Uint8Array) => {
      order.push(`begin ${Buffer.from(bytes).toString()}`);
      await new Promise<void>((resolve) => {
        take = resolve;
      });
      order.push('end');
    };
    await using transport = local({ onLog });
    const first = transport.appendLog(lease, 0, Buffer.from('a'));
    const second = transport.appendLog(lease, 1, Buffer.from('b'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual(['begin a']);
    take();
    await first;
    await new Promise((resolve) => setImmediate(resolve));
    take();
    await second;
    expect(order).toEqual(['begin a', 'end', 'begin b', 'end']);
  });

  it('is cancelled by an event, by a heartbeat and by the answer to the log; the first reason wins', async () => {
    await using transport = local();
    const next = transport.events(never())[Symbol.asyncIterator]().next();
    transport.cancel('user', 50);
    transport.cancel('superseded');
    const cancel = { reason: 'user', graceMs: 50 };
    await expect(next).resolves.toEqual({
      done: false,
      value: { seq: 1, type: 'cancel', jobId: 'here', epoch: 1, ...cancel },
    });
    const running = [{ jobId: 'here', epoch: 1, phase: 'running', logBytes: 0 } as const];
    const status = {
      instanceId: info.instanceId,
      state: 'busy',
      reasons: [],
      running: [...running],
      host: {},
    } as const;
    await expect(transport.heartbeat({ ...status, reasons: [], running: [...running] })).resolves.toEqual({
      jobs: [{ jobId: 'here', epoch: 1, verdict: 'cancel', cancel }],
    });
    await expect(transport.appendLog(lease, 0, Buffer.from('a'))).resolves.toEqual({ next: 1, cancel });
  });

  it('shows its result, and the first one stands', async () => {
    await using transport = local();
    const result: JobResult = { outcome: 'succeeded', exitCode: 0, steps: [], durationMs: 5, artifacts: 0 };
    await transport.finish(lease, result);
    await transport.finish(lease, { ...result, outcome: 'failed' });
    await expect(transport.result).resolves.toEqual(result);
  });

  it('that is handed back has not run, and says why', async () => {
    await using transport = local();
    await transport.release(lease, { code: 'RITMO_EXECUTOR_UNSUPPORTED', message: 'No images here.' });
    await expect(transport.result).resolves.toMatchObject({
      outcome: 'errored',
      failure: {
        code: 'RITMO_EXECUTOR_UNSUPPORTED',
        message: 'No images here.',
        hint: expect.stringMatching(/doctor/),
      },
    });
  });

  it('that never ends is errored when the agent does', async () => {
    const transport = local();
    await transport[Symbol.asyncDispose]();
    await expect(transport.result).resolves.toMatchObject({
      outcome: 'errored',
      failure: { code: 'RITMO_AGENT_STOPPING' },
    });
  });

  it('refuses another lease, and a bad job id', async () => {
    await using transport = local();
    await expect(transport.accept({ ...lease, epoch: 2 })).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    await expect(transport.accept({ ...lease, jobId: 'there' })).rejects.toMatchObject({ code: 'RITMO_FENCED' });
    expect(() => local({ jobId: '../x' })).toThrow(expect.objectContaining({ code: 'RITMO_USAGE' }));
    await expect(transport.adopt([{ jobId: 'old', epoch: 1, intent: 'finish' }])).resolves.toMatchObject([
      { code: 'RITMO_FENCED' },
    ]);
  });
});
