export { type CaseStatus, formatJunit } from '@ritmo/conformance';
export { type ConformanceCase, type Group, groups } from './case.js';
export { conformanceCases } from './cases/index.js';
export type { CaseContext, OpenedExecutor } from './context.js';
export { formatReport } from './report.js';
export { type ConformanceOptions, type ConformanceReport, runConformance } from './run.js';
export { type CaseResult, runCase } from './run-case.js';
export type { ConformanceSubject } from './subject.js';
