export { type CaseResult, type CaseStatus, formatJunit } from '@ritmo/conformance';
export { type Facts, type Group, groups, type TransportCase } from './case.js';
export { transportCases } from './cases/index.js';
export {
  checkTransport,
  formatTransportReport,
  type TransportKitOptions,
  type TransportReport,
} from './run.js';
export type { Ending, KitJob, TransportAbilities, TransportPlace, TransportSubject } from './subject.js';
