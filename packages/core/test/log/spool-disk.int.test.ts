import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MaskSet } from '../../src/log/mask-set.js';
import { LogRecorder } from '../../src/log/recorder.js';
import { ManualClock, outputText, records } from './support.js';

const mebibyte = 1024 * 1024;
const block = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(64));

/** A disk of its own of 8 MiB, gone after the test. Mounting wants root, which CI is. */
async function smallDisk(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'ritmo-test', folder]);
  onTestFinished(async () => {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  });
  return folder;
}

async function recorderOn(folder: string, minFreeBytes: number): Promise<LogRecorder> {
  const recorder = await LogRecorder.open({
    path: join(folder, 'log'),
    jobId: 'job-1',
    epoch: 1,
    clock: new ManualClock(),
    masks: new MaskSet(),
    minFreeBytes,
  });
  onTestFinished(() => recorder[Symbol.asyncDispose]());
  recorder.stepStarted(0, 'Print', 'print');
  return recorder;
}

describe('a disk that fills up', () => {
  it('is left its floor: the head and the last MiB are kept, with a note that says why', async () => {
    const folder = await smallDisk();
    const recorder = await recorderOn(folder, 5 * mebibyte);
    const output = recorder.output(0);
    for (let i = 0; i < 20 * 16; i++) await output.write('stdout', block);
    await output.write('stdout', Buffer.from('the last line\n'));
    recorder.stepEnded(0, { code: 0 });
    const { failure, truncatedBytes, length } = await recorder.close();
    expect(failure).toBeUndefined();
    expect(truncatedBytes).toBeGreaterThan(10 * mebibyte);
    const bytes = await readFile(join(folder, 'log'));
    expect(bytes.length).toBe(length);
    expect(outputText(bytes).endsWith('the last line\n')).toBe(true);
    const notes = records(bytes).flatMap((record) => (record.k === 'note' ? [record.m] : []));
    expect(notes).toEqual([expect.stringMatching(/are missing here: the disk of the worker is nearly full/)]);
  });

  it('ends the log in order when it is full to the last byte; what was kept is whole records', async () => {
    const folder = await smallDisk();
    const recorder = await recorderOn(folder, 0);
    const output = recorder.output(0);
    const print = async (): Promise<void> => {
      for (;;) await output.write('stdout', block);
    };
    await expect(print()).rejects.toMatchObject({ code: 'RITMO_DISK_FULL' });
    recorder.stepEnded(0, { signal: 'SIGKILL' });
    recorder.note('error', 'how it ended');
    const { failure, length, sha256, truncatedBytes } = await recorder.close();
    expect(failure).toMatchObject({ code: 'RITMO_DISK_FULL' });
    expect(truncatedBytes).toBeGreaterThan(0);
    const bytes = await readFile(join(folder, 'log'));
    expect(bytes.length).toBe(length);
    expect(bytes.at(-1)).toBe(10);
    expect(outputText(bytes).length).toBeGreaterThan(6 * mebibyte);
    expect(sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(records(bytes).slice(-3)).toMatchObject([
      { k: 'note', m: expect.stringMatching(/ of output are missing here: .* the disk is full\.$/) },
      { k: 'end', signal: 'SIGKILL' },
      { k: 'note', m: 'how it ended' },
    ]);
  });

  it('filled by others costs the output and not the build', async () => {
    const folder = await smallDisk();
    await writeFile(join(folder, 'others'), Buffer.alloc(5 * mebibyte));
    const recorder = await recorderOn(folder, 4 * mebibyte);
    await recorder.output(0).write('stdout', Buffer.from('hello\n'));
    recorder.stepEnded(0, { code: 0 });
    const { failure } = await recorder.close();
    expect(failure).toBeUndefined();
    expect(outputText(await readFile(join(folder, 'log')))).toBe('hello\n');
  });
});
