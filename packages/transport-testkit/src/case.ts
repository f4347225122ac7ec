import { type Case, caseMaker } from '@ritmo/conformance';
import type { CaseContext } from './context.js';
import type { TransportAbilities } from './subject.js';

/** Groups in the order of the report. */
export const groups = [
  'register',
  'claim',
  'lease',
  'fencing',
  'heartbeat',
  'events',
  'log',
  'seal',
  'finish',
  'adoption',
  'artifacts',
  'answers',
] as const;
/** What a case is about. */
export type Group = (typeof groups)[number];

/** What decides whether a case applies: the abilities, and what the place can do besides. */
export interface Facts extends TransportAbilities {
  /** Its place can make a lease run out. */
  readonly lose: boolean;
  /** Its place shows the artifacts that are stored. */
  readonly artifacts: boolean;
  /** Its place can lose an answer. */
  readonly loseAnswer: boolean;
}

/** One promise of the contract, as data. */
export type TransportCase = Case<CaseContext, Facts, Group>;

/** Gives each case of a group its full id: `caseOf('log')('repeat', 'takes bytes once', async (c) => …)`. */
export const caseOf = caseMaker<CaseContext, Facts, Group>();

const reasons: Readonly<Record<keyof Facts, string>> = {
  manyJobs: 'has one job only',
  manyWorkers: 'has one worker only',
  secrets: 'delivers no secrets',
  adoption: 'lets no worker take up what it had',
  again: 'hands no job out twice',
  lose: 'its place cannot lose a worker',
  artifacts: 'takes no artifacts',
  loseAnswer: 'its place cannot lose an answer',
};

/** Applies where all of these hold. */
export const needs = (...facts: ReadonlyArray<keyof Facts>): Pick<TransportCase, 'needs'> => ({
  needs: (given) => {
    const missing = facts.find((fact) => !given[fact]);
    return missing === undefined ? true : reasons[missing];
  },
});
