import { type CaseResult, formatReport, type Report, runCases, type Runner } from '@ritmo/conformance';
import { type Facts, type Group, groups, type TransportCase } from './case.js';
import { transportCases } from './cases/index.js';
import { CaseContext } from './context.js';
import type { TransportSubject } from './subject.js';

/** Which cases are run, and who is told. */
export interface TransportKitOptions {
  /** The cases to run; all of them by default. */
  readonly cases?: readonly TransportCase[];
  /** Told of each case as it ends. */
  readonly onResult?: (result: CaseResult<Group>) => void;
}

/** What a run of the kit came to. */
export type TransportReport = Report<Group>;

/** Runs the cases one after another, each with a place of its own. */
export function checkTransport(subject: TransportSubject, options: TransportKitOptions = {}): Promise<TransportReport> {
  const { cases = transportCases, onResult } = options;
  return runCases({ subject: subject.name, runner: runnerOf(subject), cases, groups, onResult });
}

/** The report as a table of cases, and the line that an author may put into a README. */
export function formatTransportReport(report: TransportReport): string {
  return formatReport(report, 'transport contract 1');
}

/** How the cases are run for a subject. */
export function runnerOf(subject: TransportSubject): Runner<CaseContext, Facts, Group> {
  return {
    open: () => CaseContext.open(subject),
    factsOf: (context) => context.facts,
    ...(subject.timeScale === undefined ? {} : { timeScale: subject.timeScale }),
  };
}
