import { LogLineSplitter } from '@ritmo/protocol';
import { figure, milliseconds, percentile } from '../system/figures.js';
import { startSystem, type System } from '../system/system.js';

const builds = 8;
const seconds = 15;

/** 1 MB/s: each hundredth of a second 100 lines of 100 bytes, the first with the time at which they are printed. */
const script = [
  `perl -MTime::HiRes=time,sleep -e '$| = 1; $rest = ("x" x 99 . "\\n") x 99;`,
  `for (1 .. ${seconds * 100}) { print sprintf("at %-96.3f\\n", time * 1000), $rest; sleep 0.01 }'`,
].join(' ');

/** From the print of a line to its arrival at one who follows, while 8 builds print 1 MB/s each. */
export async function printToReader(): Promise<void> {
  await using system = await startSystem({ maxConcurrent: builds });
  const ids: string[] = [];
  for (let build = 0; build < builds; build++) {
    ids.push(await system.submit({ version: 1, name: `build ${build}`, steps: [{ run: script }] }));
  }
  const delays = (await Promise.all(ids.map((id) => delaysOf(system, id)))).flat();
  const [p50, p99] = [percentile(delays, 0.5), percentile(delays, 0.99)];
  figure('print to reader, 8 builds of 1 MB/s, p50', milliseconds(p50), '< 30 ms', p50 < 30);
  figure('print to reader, 8 builds of 1 MB/s, p99', milliseconds(p99), '< 150 ms', p99 < 150);
  figure('  lines measured', String(delays.length), '', undefined);
}

async function delaysOf(system: System, id: string): Promise<number[]> {
  const delays: number[] = [];
  const splitter = new LogLineSplitter();
  let rest = '';
  const log = await system.get(`/v1/jobs/${id}/log?follow=1`);
  for await (const chunk of log.body ?? []) {
    const now = performance.timeOrigin + performance.now();
    for (const record of splitter.push(chunk as Uint8Array)) if (record.k === 'out') rest += record.m;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('at ')) delays.push(now - Number(line.slice(3)));
  }
  return delays;
}
