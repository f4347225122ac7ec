import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Journal, type JournalEntry } from '../../src/journal/journal.js';
import { temporaryFolder } from '../support/agent-fixture.js';

const entry = (jobId: string, epoch = 1): JournalEntry => ({
  version: 1,
  jobId,
  epoch,
  jobName: 'unit-tests',
  claimedAt: '2026-01-01T00:00:00.000Z',
});

describe('the journal', () => {
  it('reads back what was written last, and forgets what was cleared', async () => {
    const journal = new Journal(await temporaryFolder());
    await journal.write(entry('a'));
    await journal.write({ ...entry('a'), executor: 'process' });
    await journal.write(entry('b', 2));
    await journal.clear({ jobId: 'b', epoch: 2 });
    expect(await journal.read()).toEqual({ entries: [{ ...entry('a'), executor: 'process' }], broken: [] });
  });

  it('keeps the order of writes that are not awaited', async () => {
    const journal = new Journal(await temporaryFolder());
    const writes = Array.from({ length: 20 }, (_, index) => journal.write({ ...entry('a'), executor: `e${index}` }));
    await Promise.all(writes);
    expect((await journal.read()).entries[0]?.executor).toBe('e19');
  });

  it('is readable by its owner only', async () => {
    const folder = await temporaryFolder();
    await new Journal(folder).write(entry('a'));
    expect((await stat(join(folder, 'a.1.json'))).mode & 0o777).toBe(0o600);
  });

  it('names what it cannot read, and removes what a crash left half written', async () => {
    const folder = await temporaryFolder();
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'torn.1.json'), '{"version":1,');
    await writeFile(join(folder, 'old.1.json.ab12.tmp'), '{}');
    const { entries, broken } = await new Journal(folder).read();
    expect({ entries, broken }).toEqual({ entries: [], broken: ['torn.1.json'] });
    expect(await readdir(folder)).toEqual(['torn.1.json']);
  });
});
