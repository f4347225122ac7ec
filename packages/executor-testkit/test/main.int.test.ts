import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../src/main.js';

const plugin = fileURLToPath(new URL('reference/plugin.ts', import.meta.url));
const witnessless = fileURLToPath(new URL('reference/executor.ts', import.meta.url));
let folder = '';
let out = '';
let err = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-testkit-main-'));
  vi.stubEnv('RITMO_REFERENCE_ROOT', join(folder, 'root'));
  await writeFile(join(folder, 'options.json'), JSON.stringify({ root: join(folder, 'root') }));
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
  const options = join(folder, 'options.json');
  expect(await run(plugin, '--options', options, '--group', 'identity', '--group', 'refusal', '--junit', junit)).toBe(
    0,
  );
  expect(out).toMatch(/^identity\.name +pass/m);
  expect(out).toMatch(/^refusal\.network-host +not applicable +declares network host$/m);
  expect(out).toMatch(/^refusal\.network-none +refused correctly/m);
  expect(out).toContain('reference 1.2.3 conforms to contract 1 (identity, refusal)\n');
  const xml = await readFile(junit, 'utf8');
  expect(xml).toContain('<testsuite name="reference 1.2.3" tests="14" failures="0" skipped="1"');
  expect(err).toBe('');
});

test('exits with 1 and names the case when the executor does not conform', async () => {
  vi.stubEnv('RITMO_REFERENCE_ROOT', tmpdir());
  const options = join(folder, 'options.json');
  const witness = join(folder, 'witness.mjs');
  await writeFile(witness, 'export const residue = async () => ["a folder"];');
  expect(await run(plugin, '--options', options, '--group', 'identity', '--witness', witness)).toBe(1);
  expect(out).toMatch(/^identity\.name +FAIL/m);
  expect(out).toContain('    left behind: a folder\n');
  expect(out).toContain('reference 1.2.3 does not conform to contract 1: 5 of 5 cases failed\n');
});

test.for([
  [[plugin, 'other'], 'one plugin at a time'],
  [[plugin], 'The options do not fit reference: root: must be text'],
  [[plugin, '--options', '/no/such.json'], 'cannot be read'],
  [['./no-such-plugin.js'], 'what is compiled has to be built first'],
  [['no-such-package-of-anyone'], 'cannot be loaded'],
  [[witnessless], 'is not an executor plugin'],
] as const)('exits with 2 and says what is wrong with %j', async ([argv, message]) => {
  expect(await run(...argv)).toBe(2);
  expect(err).toMatch(/^RITMO_[A-Z_]+: /);
  expect(err).toContain(message);
  expect(out).toBe('');
});

test('refuses to check without a witness', async () => {
  const options = join(folder, 'options.json');
  const witness = join(folder, 'witness.mjs');
  await writeFile(witness, 'export const other = 1;');
  expect(await run(plugin, '--options', options, '--witness', witness)).toBe(2);
  expect(err).toContain('exports no function residue(ownerId)');
});

test('explains itself', async () => {
  expect(await run('--help')).toBe(0);
  expect(out).toContain('--witness FILE');
  expect(await run()).toBe(2);
  expect(err).toContain('ritmo-executor-testkit PLUGIN');
});
