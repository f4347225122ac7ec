import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, type TestServer } from '../support/cluster.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { processesWithMarker } from '../support/witness.js';

const hour = 3_600_000;

/** A wall clock for one process and what it starts, which can be set while it runs; the monotonic one stays as it is. */
async function wallClock(): Promise<{ readonly env: Record<string, string>; set(offset: string): void }> {
  const libraries = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime'));
  const folder = libraries.find((path) => list(path).includes('libfaketimeMT.so.1'));
  if (folder === undefined) throw new Error('libfaketime is missing: apt-get install faketime');
  const file = join(await temporaryFolder(), 'offset');
  const set = (offset: string) => writeFileSync(file, `${offset}\n`);
  set('+0');
  const env = {
    LD_PRELOAD: join(folder, 'libfaketimeMT.so.1'),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  return { env, set };
}

function list(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** By how much the clock of the worker differs from ours, as a job's log says it, in hours. */
async function ahead(server: TestServer): Promise<number> {
  const id = await server.submit({ name: 'what time is it', steps: [{ run: 'true' }] });
  expect((await server.ended(id)).state).toBe('succeeded');
  const [header] = await server.records(id);
  if (header?.k !== 'log') throw new Error('a log without a header');
  return Math.round((Date.parse(header.start) - Date.now()) / hour) + 0;
}

describe('a wall clock of the worker that jumps', { timeout: 120_000 }, () => {
  it('forward and back changes nothing for a build: its log is whole, and its times go on', async () => {
    const server = await startServer({ heartbeatMs: 300, leaseTtlMs: 5_000 });
    const clock = await wallClock();
    const worker = await readyWorker(server, { env: clock.env, flags: ['--max-concurrent', '2'] });
    const id = await server.submit({
      name: 'across',
      steps: [
        {
          run: 'sleep 1000.25 & i=0; while kill -0 $! 2>/dev/null; do i=$((i + 1)); echo line $i; sleep 0.05; done; echo end',
        },
      ],
    });
    await server.when(id, ['running']);
    expect(await ahead(server)).toBe(0);
    for (const [offset, hours] of [
      ['+3h', 3],
      ['-3h', -3],
      ['+0', 0],
    ] as const) {
      clock.set(offset);
      expect(await ahead(server)).toBe(hours);
      expect((await server.job(id)).state).toBe('running');
    }
    for (const { pid } of await processesWithMarker('sleep\u00001000.25')) process.kill(pid);
    expect(await server.ended(id)).toMatchObject({ state: 'succeeded', epoch: 1 });
    const lines = (await server.output(id)).split('\n').slice(0, -2);
    expect(lines).toEqual(lines.map((_line, index) => `line ${index + 1}`));
    expect(await server.output(id)).toMatch(/end\n$/);
    const times = (await server.records(id)).flatMap((record) => ('t' in record ? [record.t] : []));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times.at(-1)).toBeLessThan(hour);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
  });
});
