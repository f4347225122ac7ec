import type { AgentEvents } from './events.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor, ExecutorBinding } from '../executor/plugin.js';
import type { StateDir } from '../journal/state-dir.js';
import { RitmoError } from '../errors.js';

/** Reading what a host can do is bounded by this, in milliseconds. */
const probeMs = 30_000;

export interface OpenExecutors {
  readonly bindings: readonly ExecutorBinding[];
  readonly state: StateDir;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: <Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name][0]) => void;
}

/**
 * Opens, probes and sweeps every executor. One that cannot work fails the start: the operator named it.
 * @throws RITMO_EXECUTOR_UNAVAILABLE
 */
export async function openExecutors(open: OpenExecutors, signal: AbortSignal): Promise<Executor[]> {
  const executors: Executor[] = [];
  try {
    for (const binding of open.bindings) executors.push(await openOne(binding, open, signal));
    return executors;
  } catch (error) {
    await closeExecutors(executors, open.log);
    throw error;
  }
}

async function openOne(binding: ExecutorBinding, open: OpenExecutors, signal: AbortSignal): Promise<Executor> {
  const { state, clock, emit } = open;
  const log = open.log.child({ executor: binding.name });
  const stateDir = await state.executorDir(binding.name);
  const executor = await binding.open({ ownerId: state.ownerId, stateDir, log, clock });
  try {
    const report = await executor.probe(AbortSignal.any([signal, AbortSignal.timeout(probeMs)]));
    emit('executor:probed', { executor: executor.name, report });
    if (report.health === 'unavailable' || report.health === 'undetected') {
      throw new RitmoError(
        'RITMO_EXECUTOR_UNAVAILABLE',
        `The ${executor.name} executor cannot work here: ${report.detail}`,
      );
    }
    if (report.health === 'degraded') log.warn({ facts: report.facts }, report.detail);
    const swept = await executor.sweep(new Set(), signal);
    emit('executor:swept', { executor: executor.name, report: swept });
    for (const { id, error } of swept.failed) log.error({ err: error, sandbox: id }, 'a stray could not be removed');
    return executor;
  } catch (error) {
    await executor[Symbol.asyncDispose]();
    throw error;
  }
}

/** Closes all of them, whatever one of them throws. */
export async function closeExecutors(executors: readonly Executor[], log: Logger): Promise<void> {
  for (const executor of executors) {
    try {
      await executor[Symbol.asyncDispose]();
    } catch (error) {
      log.error({ err: error, executor: executor.name }, 'an executor could not be closed');
    }
  }
}
