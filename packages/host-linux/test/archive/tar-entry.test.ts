import { Readable } from 'node:stream';
import type { FileEntry } from '@ritmo/agent-core/executor';
import { extract, type Headers } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { tarAround } from '../../src/index.js';

async function headersOf(bytes: Buffer): Promise<Array<{ header: Headers; text: string }>> {
  const found: Array<{ header: Headers; text: string }> = [];
  for await (const entry of Readable.from([bytes]).pipe(extract())) {
    let text = '';
    for await (const chunk of entry as AsyncIterable<Buffer>) text += chunk.toString();
    found.push({ header: entry.header, text });
  }
  return found;
}

const file = (path: string, text: string): FileEntry => ({
  kind: 'file',
  path,
  mode: 0o640,
  mtimeMs: 1_700_000_000_000,
  size: Buffer.byteLength(text),
  body: Readable.from([Buffer.from(text)]),
});

describe('an archive of one file', () => {
  it.each(['short', `${'long/'.repeat(60)}name`, 'é€𝄞'.repeat(20)])(
    'keeps name, mode, owner and content (%#)',
    async (name) => {
      const { head, tail } = tarAround(file(name, 'content'), Buffer.from(name), { uid: 70_000, gid: 3_000_000 });
      const [found, ...rest] = await headersOf(Buffer.concat([head, Buffer.from('content'), tail]));
      expect(rest).toEqual([]);
      expect(found?.text).toBe('content');
      expect(found?.header).toMatchObject({ name, mode: 0o640, uid: 70_000, gid: 3_000_000, type: 'file', size: 7 });
      expect(found?.header.mtime?.getTime()).toBe(1_700_000_000_000);
    },
  );

  it('keeps the target of a link, however long', async () => {
    for (const target of ['there', 'far/'.repeat(50)]) {
      const link = { kind: 'link', path: 'link', target, mode: 0o777, mtimeMs: 0 } as const;
      const { head, tail } = tarAround(link, Buffer.from('link'), { uid: 0, gid: 0 });
      const [found] = await headersOf(Buffer.concat([head, tail]));
      expect(found?.header).toMatchObject({ name: 'link', type: 'symlink', linkname: target });
    }
  });

  it('says sizes beyond eight gigabytes', async () => {
    const big = { ...file('big', ''), size: 9 * 2 ** 30 } as FileEntry;
    const { head } = tarAround(big, Buffer.from('big'), { uid: 0, gid: 0 });
    const found = await new Promise<Headers>((resolve) => {
      const reading = extract();
      reading.on('entry', (header: Headers) => resolve(header));
      reading.write(head);
    });
    expect(found.size).toBe(9 * 2 ** 30);
  });
});
