import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LogHeader, LogLineSplitter, type LogRecord } from '@ritmo/protocol';
import type { Clock } from '../../src/executor/host.js';

export const header: LogHeader = { k: 'log', v: 1, job: 'job-1', epoch: 1, start: '2026-01-01T00:00:00.000Z' };

/** A folder of its own for one test. */
export async function folder(): Promise<AsyncDisposable & { readonly path: string; file(name: string): string }> {
  const base = await mkdtemp(path.join(tmpdir(), 'ritmo-log-'));
  return {
    path: base,
    file: (name) => path.join(base, name),
    [Symbol.asyncDispose]: () => rm(base, { recursive: true, force: true }),
  };
}

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  time = 0;
  now(): number {
    return Date.parse(header.start) + this.time;
  }
  monotonic(): number {
    return this.time;
  }
  sleep(): Promise<void> {
    return Promise.resolve();
  }
}

export function records(bytes: Uint8Array): LogRecord[] {
  return new LogLineSplitter().push(bytes);
}

/** The text of all output records, of one stream where `fd` is given. */
export function outputText(bytes: Uint8Array, fd?: 1 | 2): string {
  return records(bytes)
    .map((record) => (record.k === 'out' && (fd === undefined || record.fd === fd) ? record.m : ''))
    .join('');
}
