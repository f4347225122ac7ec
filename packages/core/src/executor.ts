/**
 * The contract of an executor, for those who write one. Light by design: importing
 * `@ritmo/agent-core/executor` loads no HTTP client, no event emitter and no schema library.
 *
 * plugin (static data) → executor (one an agent) → sandbox (one a job).
 */
export type { Clock, Logger } from './executor/host.js';
export type { ExecutorHost } from './executor/host.js';
export type * from './executor/plugin.js';
export type * from './executor/sandbox.js';
export type * from './executor/request.js';
export { RitmoError, type RitmoErrorOptions, type Code } from './errors.js';
export { compileGlobs, type Glob } from './executor/glob/glob.js';
export { bindOptions } from './executor/load.js';
export { isSandboxId, OpenSandboxes } from './executor/open-sandboxes.js';
export {
  locateInside,
  notStarted,
  refusedStep,
  type ShownFolder,
  stepFolder,
  toolFiles,
  tooLong,
} from './executor/step.js';
export { causeOf, type Stopped, Stopper, type StopTarget } from './executor/stop.js';
