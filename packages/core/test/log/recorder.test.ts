import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaskSet } from '../../src/log/mask-set.js';
import { LogRecorder, type OpenLogOptions } from '../../src/log/recorder.js';
import { cut } from './mask-oracle.js';
import { folder, ManualClock, outputText, records } from './support.js';

type Writes = readonly (readonly ['stdout' | 'stderr', string | Uint8Array])[];

async function open(path: string, options: Partial<OpenLogOptions> = {}): Promise<LogRecorder> {
  return LogRecorder.open({
    path,
    jobId: 'job-1',
    epoch: 1,
    clock: new ManualClock(),
    masks: new MaskSet(),
    ...options,
  });
}

/** Records one step that prints, and answers the bytes of the log. */
async function recorded(writes: Writes, options: Partial<OpenLogOptions> = {}): Promise<Buffer> {
  await using home = await folder();
  await using recorder = await open(home.file('log'), options);
  recorder.stepStarted(0, 'Print', 'print');
  const output = recorder.output(0);
  for (const [stream, text] of writes) await output.write(stream, typeof text === 'string' ? Buffer.from(text) : text);
  recorder.stepEnded(0, { code: 0 });
  const end = await recorder.close();
  const bytes = await readFile(home.file('log'));
  expect(end).toEqual({
    length: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    truncatedBytes: 0,
  });
  return bytes;
}

function maskSet(...secrets: string[]): MaskSet {
  const masks = new MaskSet();
  for (const secret of secrets) masks.add(secret);
  return masks;
}

describe('a log recorder', () => {
  it('writes the header, steps, output, notes and ends as records, with the time of each', async () => {
    await using home = await folder();
    const clock = new ManualClock();
    const seen: Uint8Array[] = [];
    await using recorder = await open(home.file('log'), { clock, onAppend: (bytes) => seen.push(bytes) });
    clock.time = 3.7;
    recorder.note('info', 'Pulling "node:22", 43 %');
    clock.time = 12;
    recorder.stepStarted(0, 'Install', 'npm ci\n');
    clock.time = 15;
    await recorder.output(0).write('stdout', Buffer.from('added "1" package\n'));
    await recorder.output(0).write('stderr', Buffer.from('\u001b[31mwarn\u001b[0m \\ ✓'));
    clock.time = 90;
    recorder.stepEnded(0, { signal: 'SIGKILL', reason: 'step-timeout', limit: 'memory' });
    await recorder.close();
    const bytes = await readFile(home.file('log'));
    expect(records(bytes)).toEqual([
      { k: 'log', v: 1, job: 'job-1', epoch: 1, start: '2026-01-01T00:00:00.000Z' },
      { t: 3, k: 'note', level: 'info', m: 'Pulling "node:22", 43 %' },
      { t: 12, k: 'step', s: 0, name: 'Install', cmd: 'npm ci\n' },
      { t: 15, k: 'out', s: 0, fd: 1, m: 'added "1" package\n' },
      { t: 15, k: 'out', s: 0, fd: 2, m: '\u001b[31mwarn\u001b[0m \\ ✓' },
      { t: 90, k: 'end', s: 0, signal: 'SIGKILL', reason: 'step-timeout', limit: 'memory' },
    ]);
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
    expect(recorder.bytes).toBe(bytes.length);
  });

  it('masks names, commands, notes and output', async () => {
    await using home = await folder();
    await using recorder = await open(home.file('log'), { masks: maskSet('hunter2hunter3') });
    recorder.note('warn', 'token hunter2hunter3 refused');
    recorder.stepStarted(0, 'Use hunter2hunter3', 'curl -u x:hunter2hunter3');
    await recorder.output(0).write('stdout', Buffer.from('it is hunter2hun'));
    await recorder.output(0).write('stderr', Buffer.from('hunter2hunter3\n'));
    await recorder.output(0).write('stdout', Buffer.from('ter3.\n'));
    recorder.stepEnded(0, { code: 1 });
    await recorder.close();
    const text = await readFile(home.file('log'), 'utf8');
    expect(text).not.toContain('hunter');
    expect(outputText(Buffer.from(text))).toBe('it is ***\n***.\n');
  });

  it('records a partial line at once, and at the end of the step what was held', async () => {
    await using home = await folder();
    await using recorder = await open(home.file('log'), { masks: maskSet('hunter2hunter3') });
    const output = recorder.output(0);
    const now = async (): Promise<string> => {
      const bytes = Buffer.alloc(recorder.bytes);
      await recorder.spool.more(recorder.bytes - 1);
      bytes.set(await recorder.spool.read(0, bytes.length));
      return outputText(bytes);
    };
    await output.write('stdout', Buffer.from('Password: '));
    expect(await now()).toBe('Password: ');
    await output.write('stdout', Buffer.from('hunt'));
    expect(await now()).toBe('Password: ');
    await output.write('stdout', Buffer.from('ing\n::add-'));
    expect(await now()).toBe('Password: hunting\n');
    await output.write('stdout', Buffer.from('ons\n::add-mask'));
    recorder.stepEnded(0, { code: 0 });
    expect(await now()).toBe('Password: hunting\n::add-ons\n::add-mask');
    await output.write('stdout', Buffer.from('too late'));
    expect(await now()).toBe('Password: hunting\n::add-ons\n::add-mask');
  });

  it('keeps the order in which stdout and stderr came', async () => {
    const writes: Writes = Array.from(
      { length: 100 },
      (_, i) => [i % 3 === 0 ? 'stderr' : 'stdout', `${i}\n`] as const,
    );
    const bytes = await recorded(writes);
    expect(outputText(bytes)).toBe(writes.map(([, text]) => text).join(''));
    expect(outputText(bytes, 2)).toBe(Array.from({ length: 34 }, (_, i) => `${i * 3}\n`).join(''));
  });

  it('joins to the printed text whatever the bytes are and wherever they are cut', async () => {
    const character = fc.constantFrom(
      'a',
      '"',
      '\\',
      '\n',
      '\r',
      '\u0000',
      '\u001b',
      '\u007f',
      'é',
      '€',
      '😀',
      '\u2028',
      '\ufeff',
    );
    const valid = fc.string({ unit: character, maxLength: 200, size: 'max' }).map((text) => Buffer.from(text));
    const lead = fc.constantFrom(
      0x00,
      0x61,
      0x80,
      0xbf,
      0xc0,
      0xc3,
      0xe0,
      0xa0,
      0xed,
      0x9f,
      0xe2,
      0xf0,
      0x90,
      0xf4,
      0x8f,
      0xff,
    );
    const wild = fc.array(lead, { maxLength: 60, size: 'max' }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(valid, wild),
        fc.array(fc.nat(200), { maxLength: 20, size: 'max' }),
        async (text, cuts) => {
          const bytes = await recorded(cut(text, cuts).map((piece) => ['stdout', piece] as const));
          expect(outputText(bytes)).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(text));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('cuts output into records of at most 64 KiB and never inside a character', async () => {
    const text = `x${'€'.repeat(100_000)}`;
    const bytes = await recorded([['stdout', text]]);
    const parts = records(bytes).flatMap((record) => (record.k === 'out' ? [record.m] : []));
    expect(parts.join('')).toBe(text);
    expect(Math.max(...parts.map((part) => Buffer.byteLength(part)))).toBeLessThanOrEqual(65_536);
    expect(parts.length).toBe(5);
    const broken = await recorded([['stdout', Buffer.alloc(100_000, 0xff)]]);
    expect(outputText(broken)).toBe('\ufffd'.repeat(100_000));
  });

  it('goes on where a killed agent stopped, and cuts a torn record off', async () => {
    await using home = await folder();
    const clock = new ManualClock();
    const first = await open(home.file('log'), { clock });
    clock.time = 500;
    await first.output(0).write('stdout', Buffer.from('before\n'));
    await first.spool.more(first.bytes - 1);
    await first[Symbol.asyncDispose]();
    await appendFile(home.file('log'), '{"t":600,"k":"out","s":0,"fd":1,"m":"tor');
    clock.time = 100;
    await using second = await LogRecorder.reopen({ path: home.file('log'), clock, masks: new MaskSet() });
    expect(second.spool.header).toMatchObject({ job: 'job-1', epoch: 1 });
    second.note('warn', 'The agent was restarted here.');
    const end = await second.close();
    const bytes = await readFile(home.file('log'));
    expect(records(bytes).slice(1)).toEqual([
      { t: 500, k: 'out', s: 0, fd: 1, m: 'before\n' },
      { t: 500, k: 'note', level: 'warn', m: 'The agent was restarted here.' },
    ]);
    expect(end.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('refuses a log file that exists already', async () => {
    await using home = await folder();
    await using recorder = await open(home.file('log'));
    expect(recorder.bytes).toBeGreaterThan(0);
    await expect(open(home.file('log'))).rejects.toMatchObject({ code: 'RITMO_STATE_UNREADABLE' });
  });
});

describe('::add-mask::', () => {
  it('masks the value from there on, in both streams, and is not printed', async () => {
    const masks = new MaskSet();
    const added: string[] = [];
    const bytes = await recorded(
      [
        ['stdout', 'one s3cret-value\n::add-mask::s3cret-value\r\ntwo s3cret-value\n'],
        ['stderr', 'three s3cret-value and ::add-mask::kept\n'],
      ],
      { masks, onMask: (value) => added.push(value) },
    );
    expect(outputText(bytes)).toBe('one s3cret-value\ntwo ***\nthree *** and ::add-mask::kept\n');
    expect(added).toEqual(['s3cret-value']);
    expect(masks.maskText('later s3cret-value')).toBe('later ***');
  });

  it('is understood wherever it is cut', async () => {
    const text = Buffer.from(
      '::add-mask::first-value\nx first-value\n::add-\n::add-mask::other-value\n::add-mask::first-value\nother-value',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(text.length), { maxLength: 20, size: 'max' }), async (cuts) => {
        const bytes = await recorded(cut(text, cuts).map((piece) => ['stderr', piece] as const));
        expect(outputText(bytes)).toBe('x ***\n::add-\n***');
      }),
      { numRuns: 100 },
    );
  });

  it('counts at the end of a step without a newline', async () => {
    const masks = new MaskSet();
    expect(outputText(await recorded([['stdout', '::add-mask::no-newline']], { masks }))).toBe('');
    expect(masks.maskText('no-newline')).toBe('***');
  });

  it('takes values that a toolkit escaped', async () => {
    const bytes = await recorded([
      ['stdout', '::add-mask::100%25 first-line%0Asecond-line\n100% first-line\nsecond-line\n'],
    ]);
    expect(outputText(bytes)).toBe('***\n');
  });

  it('warns, without the value, when a value is too short or too long', async () => {
    const long = 'q'.repeat(70_000);
    const bytes = await recorded([['stdout', `::add-mask::abc\n::add-mask::${long}\n::add-mask::\nabc ${long}\n`]]);
    const notes = records(bytes).flatMap((record) => (record.k === 'note' ? [record.m] : []));
    expect(notes).toHaveLength(3);
    expect(notes.join()).not.toMatch(/abc|qqq/);
    expect(notes[1]).toContain('longer than 64 KiB');
    expect(outputText(bytes)).toBe(`abc ${long}\n`);
  });

  it('takes a thousand values of a job and says a few times that it takes no more', async () => {
    const lines = Array.from({ length: 1100 }, (_, i) => `::add-mask::value-${i}-end\n`).join('');
    const bytes = await recorded([['stdout', `${lines}value-999-end value-1000-end\n`]]);
    expect(outputText(bytes)).toMatch(/^\*\*\* value-1000-end\n$/);
    const notes = records(bytes).filter((record) => record.k === 'note');
    expect(notes).toHaveLength(20);
    expect(notes.every((note) => note.k === 'note' && note.level === 'warn')).toBe(true);
  });
});
