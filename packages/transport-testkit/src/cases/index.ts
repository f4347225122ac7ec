import type { TransportCase } from '../case.js';
import { adoptionCases } from './adoption.js';
import { answerCases } from './answers.js';
import { artifactCases } from './artifacts.js';
import { claimCases } from './claim.js';
import { fencingCases } from './fencing.js';
import { finishCases } from './finish.js';
import { leaseCases } from './lease.js';
import { logCases } from './log.js';
import { registerCases } from './register.js';
import { sealCases } from './seal.js';
import { watchCases } from './watch.js';

/** Every case, group by group. */
export const transportCases: readonly TransportCase[] = [
  ...registerCases,
  ...claimCases,
  ...leaseCases,
  ...fencingCases,
  ...watchCases,
  ...logCases,
  ...sealCases,
  ...finishCases,
  ...adoptionCases,
  ...artifactCases,
  ...answerCases,
];
