import { expect, test } from 'vitest';
import { formatJunit, formatReport, type Report } from '../src/index.js';

const report: Report = {
  subject: 'mine <1>',
  conforms: false,
  groups: ['exit'],
  results: [
    { id: 'exit.codes', group: 'exit', title: 'reports codes', status: 'passed', durationMs: 12.4 },
    {
      id: 'refusal.image',
      group: 'refusal',
      title: 'refuses an image',
      status: 'not-applicable',
      durationMs: 1,
      reason: 'declares images',
    },
    { id: 'refusal.services', group: 'refusal', title: 'refuses services', status: 'refused', durationMs: 2 },
    {
      id: 'cancel.tree',
      group: 'cancel',
      title: 'stops all',
      status: 'failed',
      durationMs: 3,
      reason: 'left "x"\nand \u0001 & y',
    },
  ],
};

test('the report is a table of cases, counts and a verdict', () => {
  expect(formatReport(report, 'contract 1')).toBe(
    [
      'exit.codes        pass               reports codes (12 ms)',
      'refusal.image     not applicable     declares images',
      'refusal.services  refused correctly  refuses services (2 ms)',
      'cancel.tree       FAIL               stops all (3 ms)',
      '    left "x"',
      '    and \u0001 & y',
      '',
      '1 pass, 1 refused correctly, 1 fail, 1 not applicable',
      'mine <1> does not conform to contract 1: 1 of 4 cases failed',
      '',
    ].join('\n'),
  );
});

test('what has no failures gets the line for its README', () => {
  expect(formatReport({ ...report, conforms: true, groups: ['exit', 'cancel'] }, 'contract 1')).toContain(
    'mine <1> conforms to contract 1 (exit, cancel)\n',
  );
});

test('JUnit XML says what failed and what does not apply, with nothing that XML cannot hold', () => {
  const xml = formatJunit(report);
  expect(xml).toContain('<testsuite name="mine &lt;1&gt;" tests="4" failures="1" skipped="1" time="0.018">');
  expect(xml).toContain('<skipped message="declares images"/>');
  expect(xml).toContain('<failure message="left &quot;x&quot;&#10;and \ufffd &amp; y"/>');
  expect(xml).toContain('name="exit.codes: reports codes" time="0.012"/>');
});
