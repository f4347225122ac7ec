import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CollectedEntry, CollectRequest } from '@ritmo/agent-core/executor';
import { Spool } from '@ritmo/host-linux';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepTaken } from '../../src/files/taken-out.js';
import { EndedJob, leftFiles } from '../../src/job/ended-job.js';
import { jobFolders } from '../../src/job/folders.js';

let root: string;
const folders = () => jobFolders(join(root, 'sandboxes'), join(root, 'memory'), 'left');
const request = (include: string[]): CollectRequest => ({
  include,
  exclude: [],
  dotfiles: false,
  maxFiles: 10,
  maxBytes: 100,
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-ended-'));
  mkdirSync(folders().root, { recursive: true });
  mkdirSync(folders().memory, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

async function take(text: string): Promise<number> {
  const spool = new Spool(folders().spool);
  async function* body() {
    yield Buffer.from(text);
  }
  using file = spool.open();
  const at = await file.take(body());
  const facts = { mode: 0o755, mtimeMs: 7 };
  keepTaken(folders().spool, request(['dist']), [
    { kind: 'file', path: 'dist/tool', ...facts, size: text.length, ...at },
    {
      kind: 'file',
      path: 'dist/\ufffd',
      pathBytes: Buffer.from([0x64, 0xff]).toString('base64'),
      ...facts,
      size: 4,
      ...at,
    },
    { kind: 'link', path: 'dist/t', ...facts, target: 'tool' },
    { kind: 'refused', path: 'dist/fifo', why: 'it is a FIFO' },
  ]);
  return at.number;
}

async function collected(include: string[]): Promise<CollectedEntry[]> {
  const job = new EndedJob('left', folders());
  const found: CollectedEntry[] = [];
  for await (const entry of job.collect(request(include), new AbortController().signal)) found.push(entry);
  return found;
}

async function textOf(entry: CollectedEntry | undefined): Promise<string> {
  let text = '';
  if (entry?.kind === 'file') for await (const bytes of entry.body) text += Buffer.from(bytes).toString();
  return text;
}

describe('what had left a machine when it ended with its agent', () => {
  it('is given out once more, as it was', async () => {
    await take('built');
    const [tool, odd, ...rest] = await collected(['dist']);
    expect(tool).toMatchObject({ kind: 'file', path: 'dist/tool', mode: 0o755, mtimeMs: 7, size: 5 });
    expect(await textOf(tool)).toBe('built');
    expect(odd).toMatchObject({ pathBytes: new Uint8Array([0x64, 0xff]) });
    expect(rest).toEqual([
      { kind: 'link', path: 'dist/t', mode: 0o755, mtimeMs: 7, target: 'tool' },
      { kind: 'refused', path: 'dist/fifo', why: 'it is a FIFO' },
    ]);
  });

  it('is not called all there is for other patterns', async () => {
    await take('built');
    await expect(collected(['report.html'])).rejects.toMatchObject({
      code: 'RITMO_SANDBOX_BROKEN',
      message: 'The machine ended with its agent before the files of report.html had left it.',
    });
  });

  it('is not given out where a file is not as long as it was', async () => {
    const number = await take('built');
    truncateSync(join(folders().spool, String(number)), 2);
    await expect(textOf((await collected(['dist']))[0])).rejects.toMatchObject({ code: 'RITMO_ARTIFACT_REFUSED' });
  });

  it('is gone once the job is disposed', async () => {
    await take('built');
    await new EndedJob('left', folders())[Symbol.asyncDispose]();
    expect([existsSync(folders().root), existsSync(folders().memory)]).toEqual([false, false]);
  });

  it('counts for nothing after a restart of the host, and where nothing had left it', async () => {
    expect(leftFiles(folders())).toBe(false);
    await take('built');
    expect(leftFiles(folders())).toBe(true);
    rmSync(folders().memory, { recursive: true });
    expect(leftFiles(folders())).toBe(false);
  });
});
