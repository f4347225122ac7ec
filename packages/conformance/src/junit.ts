import type { CaseResult } from './run-case.js';
import type { Report } from './run.js';

/** The report as JUnit XML, one test case for each case; those that do not apply are skipped, with the reason. */
export function formatJunit(report: Report): string {
  const count = (status: CaseResult['status']) => report.results.filter((result) => result.status === status).length;
  const seconds = report.results.reduce((sum, result) => sum + result.durationMs, 0) / 1000;
  const totals = `tests="${report.results.length}" failures="${count('failed')}" skipped="${count('not-applicable')}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite name="${escape(report.subject)}" ${totals} time="${seconds.toFixed(3)}">`,
    ...report.results.map(testcase),
    '</testsuite>',
    '',
  ].join('\n');
}

function testcase(result: CaseResult): string {
  const name = escape(`${result.id}: ${result.title}`);
  const open = `  <testcase classname="${result.group}" name="${name}" time="${(result.durationMs / 1000).toFixed(3)}"`;
  const reason = escape(result.reason ?? '');
  if (result.status === 'failed') return `${open}><failure message="${reason}"/></testcase>`;
  if (result.status === 'not-applicable') return `${open}><skipped message="${reason}"/></testcase>`;
  return `${open}/>`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
};

function escape(text: string): string {
  // What XML 1.0 cannot hold in any spelling.
  // oxlint-disable-next-line no-control-regex
  const legal = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
  return legal.replaceAll(/[&<>"\n]/g, (character) => entities[character] ?? character);
}
