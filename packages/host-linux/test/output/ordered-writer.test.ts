import { expect, it } from 'vitest';
import { OrderedWriter } from '../../src/output/ordered-writer.js';

class Recorder {
  readonly taken: string[] = [];
  /** Of writes that wait, the oldest first. */
  readonly open: Array<{ resolve: () => void; reject: (error: Error) => void }> = [];
  reading = true;
  readonly writer = {
    write: (name: string, bytes: Uint8Array): Promise<void> => {
      this.taken.push(`${name} ${Buffer.from(bytes).toString()}`);
      return new Promise<void>((resolve, reject) => this.open.push({ resolve, reject }));
    },
  };
  readonly source = { pause: () => (this.reading = false), resume: () => (this.reading = true) };
}

const bytes = (text: string) => Buffer.from(text);

it('writes one after the other in the order of arrival, and reads nothing meanwhile', async () => {
  const recorder = new Recorder();
  const ordered = new OrderedWriter(recorder.writer, [recorder.source]);
  ordered.take('stdout', bytes('one'));
  ordered.take('stderr', bytes('two'));
  ordered.take('stdout', bytes('three'));
  expect([recorder.taken, recorder.reading]).toEqual([['stdout one'], false]);
  const settled = ordered.settled();
  for (let count = 1; count <= 3; count++) {
    recorder.open.shift()?.resolve();
    await Promise.resolve();
  }
  await settled;
  expect(recorder.taken).toEqual(['stdout one', 'stderr two', 'stdout three']);
  expect(recorder.reading).toBe(true);
});

it('tells of a writer that failed, reads on and writes nothing more', async () => {
  const recorder = new Recorder();
  const ordered = new OrderedWriter(recorder.writer, [recorder.source]);
  ordered.take('stdout', bytes('one'));
  ordered.take('stdout', bytes('two'));
  recorder.open.shift()?.reject(new Error('the disk is full'));
  await expect(ordered.settled()).rejects.toThrow('the disk is full');
  ordered.take('stdout', bytes('three'));
  expect([recorder.taken, recorder.reading]).toEqual([['stdout one'], true]);
});

it('throws away what waits once it is stopped', async () => {
  const recorder = new Recorder();
  const ordered = new OrderedWriter(recorder.writer, [recorder.source]);
  ordered.take('stdout', bytes('one'));
  ordered.take('stdout', bytes('two'));
  ordered.stop();
  recorder.open.shift()?.resolve();
  await ordered.settled();
  expect([recorder.taken, recorder.reading]).toEqual([['stdout one'], true]);
});
