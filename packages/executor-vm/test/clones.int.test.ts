import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';
import { cacheDir } from './support/image.js';

const clones = 20;
/** Random bytes, a uuid, where the kernel has put the stack of a new process (by AT_RANDOM's generator), and the time. */
const look = `
head -c 16 /dev/urandom | xxd -p
cat /proc/sys/kernel/random/uuid
sed -n 's/ .*stack.*//p' /proc/self/maps
date +%s
`;

let bench: Workbench;

describe('machines that are restored from one template', () => {
  beforeAll(async () => {
    bench = await Workbench.open();
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it('begin with different randomness, another layout of memory, and the right time', async () => {
    const seen: string[][] = [];
    for (let i = 0; i < clones; i++) {
      const box = await bench.sandbox({ network: 'none' });
      expect(box.description).toMatch(/: (KVM|software emulation) \(\S.+\), restored from a template, /);
      const before = Math.floor(Date.now() / 1_000);
      const { stdout } = await sh(box, look);
      const [random = '', uuid = '', stack = '', time = ''] = stdout.trim().split('\n');
      expect(Number(time)).toBeGreaterThanOrEqual(before - 2);
      expect(Number(time)).toBeLessThanOrEqual(Date.now() / 1_000 + 2);
      seen.push([random, uuid, stack]);
      await box[Symbol.asyncDispose]();
    }
    for (const column of [0, 1, 2]) expect(new Set(seen.map((row) => row[column])).size).toBe(clones);
  });

  it('leave nothing of a job in the template', async () => {
    const secret = `canary-${'s3cr3t'.repeat(3)}`;
    const box = await bench.sandbox({ network: 'none' });
    expect((await sh(box, 'echo "$TOKEN" > token; sync; cat token', [], { TOKEN: secret })).stdout).toBe(`${secret}\n`);
    await box[Symbol.asyncDispose]();
    // With a dot in its name it is being made, for another test.
    const made = readdirSync(join(cacheDir, 'templates')).filter((name) => !name.includes('.'));
    for (const folder of made) {
      for (const name of ['memory', 'state'])
        expect(readFileSync(join(cacheDir, 'templates', folder, name)).includes(secret)).toBe(false);
    }
  });

  it('run three at once, each with what is its own', async () => {
    const boxes = await Promise.all([1, 2, 3].map(() => bench.sandbox()));
    const said = await Promise.all(boxes.map((box, i) => sh(box, `echo ${i} > mine; sleep 1; cat mine; id -u`)));
    expect(said.map(({ stdout }) => stdout)).toEqual(['0\n0\n', '1\n0\n', '2\n0\n']);
    expect(new Set(boxes.map(({ uid }) => uid))).toEqual(new Set([0]));
    await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
  });
});
