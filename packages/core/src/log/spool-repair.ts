import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type LogHeader, logHeader } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';

const readSize = 1024 * 1024;

/** What a log file holds after a crash, once its torn end is cut off. */
export interface Repaired {
  readonly length: number;
  readonly hash: Hash;
  readonly header: LogHeader;
  /** `t` of the last record that has one. */
  readonly lastT: number;
  /** Steps that the log says to have begun, and to have ended. */
  readonly begun: ReadonlySet<number>;
  readonly ended: ReadonlySet<number>;
}

/**
 * Cuts the log file at `path` after its last whole record, or at `limit` bytes, and reads all of it once. Rejects with
 * RITMO_STATE_UNREADABLE where it is no log.
 */
export async function repairLog(path: string, limit = Number.POSITIVE_INFINITY): Promise<Repaired> {
  const file = await open(path, 'r+');
  try {
    const length = await wholeRecords(file, Math.min(limit, (await file.stat()).size));
    const header = await headerOf(file, length, path);
    await file.truncate(length);
    const { hash, begun, ended } = await readAll(file, length);
    return { length, header, lastT: await lastTime(file, length), hash, begun, ended };
  } finally {
    await file.close();
  }
}

/** The end of the last line that ends at or before `size`. */
async function wholeRecords(file: FileHandle, size: number): Promise<number> {
  for (let end = size; end > 0; end -= readSize) {
    const bytes = await bytesAt(file, Math.max(0, end - readSize), Math.min(readSize, end));
    const newline = bytes.lastIndexOf('\n');
    if (newline >= 0) return Math.max(0, end - readSize) + newline + 1;
  }
  return 0;
}

async function headerOf(file: FileHandle, length: number, path: string): Promise<LogHeader> {
  const bytes = await bytesAt(file, 0, Math.min(length, 4096));
  const line = bytes.toString('utf8', 0, Math.max(0, bytes.indexOf('\n')));
  try {
    return logHeader.parse(JSON.parse(line));
  } catch (cause) {
    throw new RitmoError('RITMO_STATE_UNREADABLE', `${path} is not a log that this agent can go on with.`, { cause });
  }
}

async function lastTime(file: FileHandle, length: number): Promise<number> {
  const from = Math.max(0, length - readSize);
  const text = (await bytesAt(file, from, length - from)).toString('latin1');
  const last = [...text.matchAll(/^\{"t":(\d+),/gm)].at(-1);
  return last === undefined ? 0 : Number(last[1]);
}

async function readAll(file: FileHandle, length: number): Promise<Pick<Repaired, 'hash' | 'begun' | 'ended'>> {
  const hash = createHash('sha256');
  const begun = new Set<number>();
  const ended = new Set<number>();
  let rest = '';
  for (let at = 0; at < length; at += readSize) {
    const bytes = await bytesAt(file, at, Math.min(readSize, length - at));
    hash.update(bytes);
    // Quotes in what a build prints are escaped, so this stands nowhere but in such records.
    const text = rest + bytes.toString('latin1');
    for (const [, kind, step] of text.matchAll(stepRecord)) (kind === 'step' ? begun : ended).add(Number(step));
    rest = text.slice(text.lastIndexOf('\n') + 1).slice(0, longestStepHead);
  }
  return { hash, begun, ended };
}

/** The beginning of a record of a step's begin or end. */
const stepRecord = /\{"t":\d+,"k":"(step|end)","s":(\d+)[,}]/g;
const longestStepHead = 64;

async function bytesAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
