import type { ConformanceCase } from '../case.js';
import { cancelCases } from './cancel.js';
import { collectCases } from './collect.js';
import { collectHostileCases } from './collect-hostile.js';
import { disposeCases } from './dispose.js';
import { exitCases } from './exit.js';
import { filesCases } from './files.js';
import { hostileCases } from './hostile.js';
import { identityCases } from './identity.js';
import { outputCases } from './output.js';
import { outputFlowCases } from './output-flow.js';
import { prepareCases } from './prepare.js';
import { prepareAbortCases } from './prepare-abort.js';
import { probeCases } from './probe.js';
import { recoveryCases } from './recovery.js';
import { refusalCases } from './refusal.js';
import { limitsCases } from './limits.js';
import { sweepCases } from './sweep.js';
import { toolCases } from './tool.js';

/** Every case, group by group. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...identityCases,
  ...probeCases,
  ...prepareCases,
  ...prepareAbortCases,
  ...toolCases,
  ...filesCases,
  ...outputCases,
  ...outputFlowCases,
  ...exitCases,
  ...cancelCases,
  ...collectCases,
  ...collectHostileCases,
  ...disposeCases,
  ...sweepCases,
  ...recoveryCases,
  ...refusalCases,
  ...limitsCases,
  ...hostileCases,
];
