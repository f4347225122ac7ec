import { formatReport as format } from '@ritmo/conformance';
import type { ConformanceReport } from './run.js';

/** The report as a table of cases, and the line that an author may put into a README. */
export function formatReport(report: ConformanceReport): string {
  return format(report, `contract ${report.contract}`);
}
