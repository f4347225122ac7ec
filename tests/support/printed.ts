import { createHash } from 'node:crypto';
import { LogLineSplitter } from '@ritmo/protocol';
import type { TestServer } from './cluster.js';

/** A line of the output below: 100 bytes with its number. */
const width = 100;

/** A step that prints `count` numbered lines of 100 bytes, `perSecond` of them: a part each tenth of a second. */
export function printer(count: number, perSecond: number): string {
  const part = Math.min(count, Math.max(1, Math.round(perSecond / 10)));
  return [
    `at=0; while [ $at -lt ${count} ]; do`,
    `  seq $((at + 1)) $((at + ${part})) | awk '{ printf "%-${width - 1}s\\n", "line " $1 }'`,
    `  at=$((at + ${part})); sleep 0.1`,
    'done',
  ].join('\n');
}

/** sha256 of the lines that `printer` prints. */
export function printedHash(count: number): string {
  const hash = createHash('sha256');
  for (let at = 1; at <= count; at++) hash.update(`${`line ${at}`.padEnd(width - 1)}\n`);
  return hash.digest('hex');
}

/** sha256 of what the steps of a job printed, as it is at the server. */
export async function printedAt(server: TestServer, id: string): Promise<string> {
  const answer = await server.call('GET', `/v1/jobs/${id}/log`);
  const splitter = new LogLineSplitter();
  const hash = createHash('sha256');
  for await (const chunk of answer.body ?? []) {
    for (const record of splitter.push(chunk as Uint8Array)) if (record.k === 'out') hash.update(record.m);
  }
  return hash.digest('hex');
}
