import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { main } from '../src/main.js';

const subject = fileURLToPath(new URL('reference/subject.ts', import.meta.url));
const broken = fileURLToPath(new URL('reference/broken-subject.ts', import.meta.url));
let folder = '';
let out = '';
let err = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-transport-testkit-'));
  [out, err] = ['', ''];
});
afterEach(() => rm(folder, { recursive: true }));

const run = (...argv: string[]) =>
  main(argv, {
    out: (text) => (out += text),
    err: (text) => (err += text),
  });

test('prints the table and the line, and writes JUnit XML', async () => {
  const junit = join(folder, 'out.xml');
  expect(await run(subject, '--group', 'seal', '--group', 'lease', '--junit', junit)).toBe(0);
  expect(out).toMatch(/^seal\.whole +pass/m);
  expect(out).toMatch(/^lease\.released-ends +not applicable +hands a job out again/m);
  expect(out).toContain('memory conforms to transport contract 1 (lease, seal)\n');
  expect(await readFile(junit, 'utf8')).toContain('<testsuite name="memory" tests="10" failures="0" skipped="1"');
  expect(err).toBe('');
});

test('exits with 1 and names the case when the transport does not conform', async () => {
  expect(await run(broken, '--group', 'finish')).toBe(1);
  expect(out).toMatch(/^finish\.once +FAIL/m);
  expect(out).toMatch(/^memory does not conform to transport contract 1: 1 of \d+ cases failed$/m);
});

test.for([
  [[subject, 'other'], 'one subject at a time'],
  [['./no-such-subject.js'], 'cannot be loaded'],
  [[fileURLToPath(import.meta.resolve('./reference/place.ts'))], 'is no subject: name, open()'],
] as const)('exits with 2 and says what is wrong with %j', async ([argv, message]) => {
  expect(await run(...argv)).toBe(2);
  expect(err).toMatch(/^RITMO_USAGE: /);
  expect(err).toContain(message);
  expect(out).toBe('');
});

test('explains itself', async () => {
  expect(await run('--help')).toBe(0);
  expect(out).toContain('--junit FILE');
  expect(await run()).toBe(2);
  expect(err).toContain('ritmo-transport-testkit SUBJECT');
});
