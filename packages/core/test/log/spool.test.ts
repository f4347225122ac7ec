import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { appendFile, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { bytesLine, type Line, outputLine } from '../../src/log/records.js';
import { Spool } from '../../src/log/spool.js';
import { folder, header, outputText, records } from './support.js';

const line = (i: number, text = `line ${i}\n`): Line => outputLine(i, 0, 1, Buffer.from(text));
/** Bytes of a line in the file. */
const sizeOf = (made: Line): number => made.write(Buffer.alloc(made.room), 0);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a spool', () => {
  it('is read while it is written, and tells of more without being asked again', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header);
    const read: Uint8Array[] = [];
    const reader = (async () => {
      let offset = 0;
      while (await spool.more(offset)) {
        const bytes = await spool.read(offset, 1000);
        expect(bytes.length).toBeLessThanOrEqual(1000);
        read.push(bytes);
        offset += bytes.length;
      }
    })();
    for (let i = 0; i < 2000; i++) {
      spool.appendOutput(i, line(i));
      if (i % 100 === 0) await spool.room();
      if (i % 250 === 0) await spool.more(spool.length - 1);
    }
    const end = await spool.close();
    await reader;
    const bytes = await readFile(home.file('log'));
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    expect(end).toEqual({ length: bytes.length, sha256: sha256(bytes), truncatedBytes: 0 });
    expect(outputText(bytes)).toBe(Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join(''));
  });

  it('lets go of one who waits for more when that is aborted', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header);
    const stop = new AbortController();
    const waiting = spool.more(spool.length, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('asks to wait when more is appended than the disk has taken', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header);
    expect(spool.room()).toBeUndefined();
    const big = line(1, 'x'.repeat(65_000));
    while (spool.room() === undefined) spool.appendOutput(1, big);
    expect(spool.length).toBeLessThan(5 * 1024 * 1024);
    await spool.room();
    expect(spool.room()).toBeUndefined();
    const { length } = await spool.close();
    expect((await readFile(home.file('log'))).length).toBe(length);
  });

  it('can not be appended to once it has ended', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header);
    const end = spool.close();
    expect(() => spool.append(1, line(1))).toThrow(expect.objectContaining({ code: 'RITMO_INTERNAL' }));
    expect(await spool.close()).toEqual(await end);
  });

  it('is cut after its last whole record when a crash tore it', async () => {
    await using home = await folder();
    const path = home.file('log');
    {
      await using spool = await Spool.create(path, header);
      for (let i = 0; i < 10; i++) spool.append(i, line(i));
    }
    const whole = await readFile(path);
    for (const torn of ['{"t":11,"k', 'x', '\u0000'.repeat(3_000_000)]) {
      await appendFile(path, torn);
      await using spool = await Spool.reopen(path);
      expect(spool.length).toBe(whole.length);
      expect(spool.lastT).toBe(9);
      expect(spool.header).toEqual(header);
      expect((await readFile(path)).equals(whole)).toBe(true);
    }
    await using spool = await Spool.reopen(path);
    expect(await spool.close()).toEqual({ length: whole.length, sha256: sha256(whole), truncatedBytes: 0 });
  });

  it('refuses to go on with a file that is no log', async () => {
    await using home = await folder();
    for (const content of ['', 'hello\n', '{"k":"log","v":2}\n', '{"k":"log"']) {
      await writeFile(home.file('log'), content);
      await expect(Spool.reopen(home.file('log'))).rejects.toMatchObject({ code: 'RITMO_STATE_UNREADABLE' });
    }
  });

  it('pads what a power loss took, so that what follows has its place', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header);
    spool.append(5, line(5));
    const before = spool.length;
    spool.padTo(before - 1);
    expect(spool.length).toBe(before);
    spool.padTo(before + 100_000);
    spool.append(6, line(6));
    const end = await spool.close();
    const bytes = await readFile(home.file('log'));
    expect(sha256(bytes)).toBe(end.sha256);
    expect(bytes.subarray(before + 100_000).toString()).toMatch(/^\n\{"t":5,"k":"note".*97\.7 KiB/);
    expect(records(bytes).map((record) => record.k)).toEqual(['log', 'out', 'note', 'out']);
    spool.padTo(10_000_000);
    expect(spool.length).toBe(bytes.length);
  });

  it('pads no more than a log may be long, whatever a server says', async () => {
    await using home = await folder();
    await using spool = await Spool.create(home.file('log'), header, { maxBytes: 1_048_576 });
    const before = spool.length;
    for (const next of [before + 1_048_577, Number.MAX_SAFE_INTEGER])
      expect(() => spool.padTo(next)).toThrow(expect.objectContaining({ code: 'RITMO_LOG_GAP' }));
    expect(spool.length).toBe(before);
  });
});

describe('a spool that is full', () => {
  const print = async (spool: Spool, from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      spool.appendOutput(i, line(i, `${i}${'.'.repeat(1000)}\n`));
      await spool.room();
    }
  };
  /** The numbers that are printed, in order. */
  const numbers = (bytes: Uint8Array): number[] => outputText(bytes).split('\n').slice(0, -1).map(Number.parseFloat);

  it('drops output but for the last MiB, says how much is missing, and keeps every other record', async () => {
    await using home = await folder();
    const path = home.file('log');
    await using spool = await Spool.create(path, header, { maxBytes: 100_000 });
    await print(spool, 0, 5000);
    spool.append(5000, bytesLine(Buffer.from('{"t":5000,"k":"end","s":0,"code":0}\n')));
    const end = await spool.close();
    const bytes = await readFile(path);
    expect(end.length).toBe(bytes.length);
    expect(end.sha256).toBe(sha256(bytes));

    const kinds = records(bytes).map((record) => record.k);
    const note = records(bytes).find((record) => record.k === 'note');
    expect(kinds.slice(kinds.indexOf('end'), kinds.indexOf('end') + 3)).toEqual(['end', 'note', 'out']);
    expect(note).toMatchObject({
      level: 'warn',
      m: expect.stringMatching(/ MiB of output are missing here/) as string,
    });

    const seen = numbers(bytes);
    const first = seen.findIndex((n, i) => n !== i);
    expect(seen.slice(first)).toEqual(
      Array.from({ length: seen.length - first }, (_, i) => 5000 - (seen.length - first) + i),
    );
    const kept = bytes.length - bytes.indexOf('\n', bytes.indexOf('"k":"note"')) - 1;
    expect(kept).toBeLessThanOrEqual(1024 * 1024);
    expect(kept).toBeGreaterThan(1024 * 1024 - 2000);
    const all = Array.from({ length: 5000 }, (_, i) => sizeOf(line(i, `${i}${'.'.repeat(1000)}\n`))).reduce(
      (a, b) => a + b,
    );
    const shown = seen.map((i) => sizeOf(line(i, `${i}${'.'.repeat(1000)}\n`))).reduce((a, b) => a + b);
    expect(end.truncatedBytes).toBe(all - shown);
    expect(await readdir(home.path)).not.toContainEqual(expect.stringContaining('.tail-'));
    await Spool.remove(path);
    expect(await readdir(home.path)).toEqual([]);
  });

  it('says nothing of a cap that was not reached', async () => {
    await using home = await folder();
    const size = sizeOf(line(1));
    await using spool = await Spool.create(home.file('log'), header, { maxBytes: 200 + size });
    while (spool.length + size <= 200 + size) spool.appendOutput(1, line(1));
    expect((await spool.close()).truncatedBytes).toBe(0);
  });

  it('keeps the count and the last MiB over a crash', async () => {
    await using home = await folder();
    const path = home.file('log');
    {
      await using spool = await Spool.create(path, header, { maxBytes: 50_000 });
      await print(spool, 0, 3000);
    }
    const rings = (await readdir(home.path)).filter((name) => name.includes('.tail-'));
    expect(rings).toHaveLength(2);
    await appendFile(home.file(rings.at(-1) as string), '{"t":3000,"k":"out","s":0,"fd":1,"m":"to');
    await using spool = await Spool.reopen(path, { maxBytes: 50_000 });
    expect(spool.droppedBytes).toBeGreaterThan(2_900_000);
    await print(spool, 3000, 3100);
    const end = await spool.close();
    const seen = numbers(await readFile(path));
    expect(seen.at(-1)).toBe(3099);
    expect(seen.slice(-900)).toEqual(Array.from({ length: 900 }, (_, i) => 2200 + i));
    const all = Array.from({ length: 3100 }, (_, i) => sizeOf(line(i, `${i}${'.'.repeat(1000)}\n`))).reduce(
      (a, b) => a + b,
    );
    const shown = seen.map((i) => sizeOf(line(i, `${i}${'.'.repeat(1000)}\n`))).reduce((a, b) => a + b);
    expect(end.truncatedBytes).toBe(all - shown);
  });

  it('makes the same bytes again when a crash falls into its closing', async () => {
    await using home = await folder();
    const path = home.file('log');
    {
      await using spool = await Spool.create(path, header, { maxBytes: 50_000 });
      await print(spool, 0, 2500);
    }
    const saved = new Map<string, Buffer>();
    const keep = (): void => {
      for (const name of readdirSync(home.path)) {
        if (name.includes('.tail-')) saved.set(name, readFileSync(home.file(name)));
      }
    };
    let first: Buffer;
    let truncatedBytes: number;
    {
      await using spool = await Spool.reopen(path, { maxBytes: 50_000, onAppend: keep });
      // The ring knows a later time than the file.
      spool.appendOutput(7777, line(7777));
      ({ truncatedBytes } = await spool.close());
      first = await readFile(path);
    }
    // As if the crash had come before the ring was removed, and cut what was appended.
    await truncate(path, first.length - 200_000);
    for (const [name, bytes] of saved) await writeFile(home.file(name), bytes);
    {
      await using spool = await Spool.reopen(path, { maxBytes: 50_000 });
      expect((await spool.close()).truncatedBytes).toBe(truncatedBytes);
      expect((await readFile(path)).equals(first)).toBe(true);
    }
    // And as if it had come after that.
    await using spool = await Spool.reopen(path, { maxBytes: 50_000 });
    expect(await spool.close()).toMatchObject({ truncatedBytes, length: first.length });
  });
});
