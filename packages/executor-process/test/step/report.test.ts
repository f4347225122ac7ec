import { expect, it } from 'vitest';
import { readReport } from '../../src/step/report.js';

const times = '0m0.00s 0m0.00s\n0m1.25s 0m0.50s\n';

it('reads how a step ended', () => {
  expect(readReport(`here\nstarted\nended 3 1\n${times}`)).toEqual({
    here: true,
    started: true,
    held: false,
    forged: false,
    ended: { code: 3, signalled: false, left: 1, cpuMs: 1750 },
  });
  expect(readReport(`started\nKilled\nended 137 0\n${times}held\n`)).toMatchObject({
    held: true,
    ended: { code: 137, signalled: true },
  });
  expect(readReport('no-program\n')).toMatchObject({ failure: 'no-program', started: false, forged: false });
  expect(readReport('started\n')).toMatchObject({ started: true, forged: false });
});

it.each([
  ['an exit code no process has', 'started\nended 256 0\n'],
  ['a number without end', `started\nended ${'9'.repeat(400)} 0\n`],
  ['more processes than there can be', 'started\nended 0 99999999999999999999999\n'],
  ['two ends', 'started\nended 0 0\nended 1 0\n'],
  ['an end before the beginning', 'ended 0 0\nstarted\n'],
  ['no numbers', 'started\nended \nheld\n'],
])('knows %s for a forgery', (_name, text) => {
  expect(readReport(text)).toMatchObject({ forged: true });
  expect(readReport(text).ended?.code ?? 0).toBeLessThan(256);
});

it('counts no time that is none', () => {
  const forged = `started\nended 0 0\n0m0s 0m0s\n${'9'.repeat(9)}m1.2.3.4s 0m0s\n`;
  expect(readReport(forged).ended?.cpuMs).toBe(0);
});
