import type { AgentEvents } from './events.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor, ExecutorBinding } from '../executor/plugin.js';
import type { SandboxId } from '../executor/request.js';
import type { EndedSandbox } from '../executor/sandbox.js';
import { isUnfinishedUpload, type JournalEntry } from '../journal/journal.js';
import type { StateDir } from '../journal/state-dir.js';
import { RitmoError } from '../errors.js';

/** Reading what a host can do is bounded by this, in milliseconds. */
const probeMs = 30_000;

export interface OpenExecutors {
  readonly bindings: readonly ExecutorBinding[];
  /** What the agent before left in its journal. */
  readonly entries: readonly JournalEntry[];
  readonly state: StateDir;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: <Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name][0]) => void;
}

export interface OpenedExecutors {
  readonly executors: readonly Executor[];
  /** Sandboxes whose files an agent before had not stored yet. */
  readonly reopened: ReadonlyMap<SandboxId, EndedSandbox>;
}

/**
 * Opens, probes and sweeps every executor; the sweep keeps what an unfinished upload needs. One that cannot work fails the start: the operator named it.
 * @throws RITMO_EXECUTOR_UNAVAILABLE
 */
export async function openExecutors(open: OpenExecutors, signal: AbortSignal): Promise<OpenedExecutors> {
  const executors: Executor[] = [];
  const reopened = new Map<SandboxId, EndedSandbox>();
  try {
    for (const binding of open.bindings) executors.push(await openOne(binding, open, reopened, signal));
    return { executors, reopened };
  } catch (error) {
    await closeExecutors(executors, open.log);
    throw error;
  }
}

async function openOne(
  binding: ExecutorBinding,
  open: OpenExecutors,
  reopened: Map<SandboxId, EndedSandbox>,
  signal: AbortSignal,
): Promise<Executor> {
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
    await reopen(executor, open, reopened, signal);
    const swept = await executor.sweep(new Set(reopened.keys()), signal);
    emit('executor:swept', { executor: executor.name, report: swept });
    for (const { id, error } of swept.failed) log.error({ err: error, sandbox: id }, 'a stray could not be removed');
    return executor;
  } catch (error) {
    await executor[Symbol.asyncDispose]();
    throw error;
  }
}

/** What cannot be opened again is left to the sweep. */
async function reopen(
  executor: Executor,
  { entries, log }: OpenExecutors,
  reopened: Map<SandboxId, EndedSandbox>,
  signal: AbortSignal,
): Promise<void> {
  for (const { sandbox: record, jobId } of entries.filter(isUnfinishedUpload)) {
    if (record?.executor !== executor.name) continue;
    try {
      const sandbox = await executor.reopen?.(record, signal);
      if (sandbox) reopened.set(record.sandboxId, sandbox);
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ err: error, job: jobId }, 'the files of a build of the agent before cannot be stored any more');
    }
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
