import type { CaseResult, CaseStatus } from './run-case.js';
import type { Report } from './run.js';

const words: Record<CaseStatus, string> = {
  passed: 'pass',
  refused: 'refused correctly',
  failed: 'FAIL',
  'not-applicable': 'not applicable',
};

/**
 * The report as a table of cases, and the line that an author may put into a README. `contract` is what was checked,
 * in words: `contract 1`.
 */
export function formatReport(report: Report, contract: string): string {
  const width = Math.max(...report.results.map((result) => result.id.length), 4);
  const rows = report.results.map((result) => row(result, width));
  const failed = report.results.filter((result) => result.status === 'failed').length;
  const verdict = report.conforms
    ? `${report.subject} conforms to ${contract} (${report.groups.join(', ')})`
    : `${report.subject} does not conform to ${contract}: ${failed} of ${report.results.length} cases failed`;
  return [...rows, '', counts(report.results), verdict, ''].join('\n');
}

function row(result: CaseResult, width: number): string {
  const line = `${result.id.padEnd(width)}  ${words[result.status].padEnd(17)}  `;
  if (result.status === 'not-applicable') return `${line}${result.reason ?? ''}`;
  const text = `${line}${result.title} (${Math.round(result.durationMs)} ms)`;
  if (result.status !== 'failed') return text;
  return `${text}\n${(result.reason ?? '').replaceAll(/^/gm, '    ')}`;
}

function counts(results: readonly CaseResult[]): string {
  return (Object.keys(words) as CaseStatus[])
    .map((status) => `${results.filter((result) => result.status === status).length} ${words[status].toLowerCase()}`)
    .join(', ');
}
