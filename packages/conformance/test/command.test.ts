import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type Command, type Report, runCommand } from '../src/index.js';

interface Checked {
  readonly id: string;
  readonly group: 'exit' | 'cancel';
}

const cases: readonly Checked[] = [
  { id: 'exit.codes', group: 'exit' },
  { id: 'cancel.tree', group: 'cancel' },
];

/** Fails where `--broken` is given, and says in its text what it was asked for. */
const command: Command<Checked, 'broken'> = {
  name: 'kit',
  title: 'Checks a thing.',
  argument: 'thing',
  about: 'THING is a path.',
  flags: { broken: ['HOW', 'what is broken of it'] },
  cases,
  groups: ['exit', 'cancel'],
  timeScaleHint: '3 suits slow things.',
  async check(subject, { flags, cases: chosen, timeScale }) {
    if (subject === 'absent') throw Object.assign(new Error('There is no absent.'), { code: 'GONE', hint: 'Look.' });
    if (subject === 'defect') throw new Error('a defect of the kit');
    const status = flags.broken === undefined ? 'passed' : 'failed';
    const report: Report = {
      subject,
      conforms: flags.broken === undefined,
      groups: [],
      results: chosen.map(({ id, group }) => ({ id, group, title: id, status, durationMs: 1 })),
    };
    return { report, text: `${chosen.map(({ id }) => id).join(' ')} at ${timeScale ?? 'its own scale'}\n` };
  },
};

let out = '';
let err = '';
beforeEach(() => {
  [out, err] = ['', ''];
});
const run = (...argv: string[]) =>
  runCommand(command, argv, {
    out: (text) => (out += text),
    err: (text) => (err += text),
  });

test('checks all cases, at the scale of the subject, and exits with 0 where it conforms', async () => {
  expect(await run('mine')).toBe(0);
  expect(out).toBe('exit.codes cancel.tree at its own scale\n');
  expect(err).toBe('');
});

test('exits with 1 where it does not conform', async () => {
  expect(await run('mine', '--broken', 'badly')).toBe(1);
});

test('takes groups and a scale, and writes JUnit XML', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-conformance-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const junit = join(folder, 'out.xml');
  expect(await run('mine', '--group', 'cancel', '--time-scale', '2.5', '--junit', junit)).toBe(0);
  expect(out).toBe('cancel.tree at 2.5\n');
  expect(await readFile(junit, 'utf8')).toContain('<testsuite name="mine" tests="1" failures="0"');
});

test.for([
  [['--nope'], 'RITMO_USAGE: Unknown option', 'See `kit --help`.'],
  [['mine', 'other'], 'RITMO_USAGE: one thing at a time, not mine and other', 'See `kit --help`.'],
  [
    ['mine', '--time-scale', '0'],
    'RITMO_USAGE: --time-scale must be a number above 0, not "0".',
    '3 suits slow things.',
  ],
  [['mine', '--group', 'speed'], 'RITMO_USAGE: There is no group speed.', 'The groups are exit, cancel.'],
  [['absent'], 'GONE: There is no absent.', 'Look.'],
] as const)('exits with 2 and says what is wrong with %j', async ([argv, message, hint]) => {
  expect(await run(...argv)).toBe(2);
  expect(err).toContain(message);
  expect(err).toContain(`\n${hint}\n`);
  expect(out).toBe('');
});

test('hides no defect of a kit', async () => {
  await expect(run('defect')).rejects.toThrow('a defect of the kit');
});

test('explains itself, on stdout where it was asked to', async () => {
  expect(await run('--help')).toBe(0);
  expect(out).toBe(`Checks a thing.

  kit THING [options]

THING is a path.

  --broken HOW        what is broken of it
  --group NAME        only this group; repeatable (exit, cancel)
  --time-scale N      multiplies every bound of time (1)
  --junit FILE        writes the report as JUnit XML too

Exits with 0 when it conforms, 1 when it does not, 2 on a mistake in the command.
`);
  expect(await run()).toBe(2);
  expect(err).toBe(out);
});
