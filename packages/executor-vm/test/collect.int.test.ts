import { createHash } from 'node:crypto';
import type { CollectedEntry, Sandbox } from '@ritmo/agent-core/executor';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sh, Workbench } from './support/bench.js';

let bench: Workbench;

/** Each path with the checksum of its bytes, or what else it is. */
async function collect(box: Sandbox, include = '**'): Promise<string[]> {
  const request = { include: [include], exclude: [], dotfiles: true, maxFiles: 100_000, maxBytes: 2 ** 30 };
  const found: string[] = [];
  for await (const entry of box.collect(request, new AbortController().signal)) found.push(await shown(entry));
  return found;
}

async function shown(entry: CollectedEntry): Promise<string> {
  if (entry.kind !== 'file') return `${entry.kind}  ${entry.path}`;
  const hash = createHash('sha256');
  for await (const chunk of entry.body) hash.update(chunk);
  return `${hash.digest('hex')}  ${entry.path}`;
}

/** What the machine itself says of the files in a folder. */
async function sums(box: Sandbox, folder: string): Promise<string[]> {
  const { stdout } = await sh(box, `find ${folder} -type f -exec sha256sum {} + | sort -k 2`);
  return stdout.trimEnd().split('\n');
}

/** Takes away what the file system is known by. The kernel of the machine goes on with what it has read before. */
const spoil =
  "mknod /tmp/disk b $(grep ' /workspace ' /proc/self/mountinfo | cut -d ' ' -f 3 | tr : ' ') && head -c 2 /dev/zero | dd of=/tmp/disk bs=1 seek=1080 conv=notrunc";

describe('files of a machine', () => {
  beforeAll(async () => {
    bench = await Workbench.open();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  it('are those that its last step has left, however its kernel has laid them out', async () => {
    await using box = await bench.sandbox();
    const names =
      'mkdir many; i=0; while [ $i -lt 3000 ]; do echo $i > many/a-name-that-takes-some-room-in-its-folder-$i; i=$((i + 1)); done';
    await sh(box, names);
    const pieces =
      'mkdir odd; i=0; while [ $i -lt 40 ]; do dd if=/dev/urandom of=odd/pieces bs=4k count=1 seek=$((i * 3)) conv=notrunc; i=$((i + 1)); done 2>/dev/null';
    const others =
      'fallocate -l 300000 odd/reserved; dd if=/dev/urandom of=odd/reserved bs=5000 seek=7 count=1 conv=notrunc 2>/dev/null; dd if=/dev/urandom of=odd/large bs=1M count=9 2>/dev/null; truncate -s 5000000 odd/hole; : > odd/empty';
    await sh(box, `${pieces}; ${others}; rm many/*-17; mv many/*-18 odd/moved`);
    expect(await collect(box, 'odd/**')).toEqual(await sums(box, 'odd'));
    const many = await collect(box, 'many/**');
    expect(many).toHaveLength(2_998);
    expect(many).toEqual(await sums(box, 'many'));
  });

  it('are told by the machine where something is mounted over them', async () => {
    await using box = await bench.sandbox();
    await sh(box, 'mkdir over; mount -t tmpfs over over; echo mounted > over/file');
    expect(await collect(box)).toEqual(await sums(box, 'over'));
  });

  it('are told by the machine where its disk was spoiled', async () => {
    await using box = await bench.sandbox();
    const warn = vi.spyOn(bench.host.log, 'warn');
    await sh(box, `echo text > file; sync; ${spoil}`);
    expect(await collect(box)).toEqual(await sums(box, 'file'));
    expect(warn.mock.lastCall?.[1]).toBe('The disk of a machine cannot be read from outside');
  });
});
