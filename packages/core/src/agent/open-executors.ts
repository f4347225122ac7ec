import type { SafeEmitter } from './events.js';
import { withDeadline } from '../build/deadline.js';
import { RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import type { Executor, ExecutorBinding, ProbeReport } from '../executor/plugin.js';
import type { SandboxId } from '../executor/request.js';
import { isUnfinishedUpload, type JournalEntry } from '../journal/journal.js';
import type { StateDir } from '../journal/state-dir.js';
import { rejection } from '../rejection.js';
import type { Leftover } from './recover.js';

/** Reading what a host can do is bounded by this, in milliseconds. */
const probeMs = 30_000;

export interface OpenExecutors {
  /** What the journal says of builds of the agent before. */
  readonly entries: readonly JournalEntry[];
  readonly bindings: readonly ExecutorBinding[];
  readonly state: StateDir;
  readonly log: Logger;
  readonly clock: Clock;
  readonly events: Pick<SafeEmitter, 'emit'>;
}

export interface OpenedExecutors {
  readonly executors: readonly Executor[];
  readonly leftovers: readonly Leftover[];
}

type Found = Omit<Leftover, 'entry'>;

/**
 * Opens, probes, recovers and sweeps every executor: what was left of builds is taken up or removed. One that cannot
 * work fails the start: the operator named it.
 * @throws RITMO_EXECUTOR_UNAVAILABLE
 */
export async function openExecutors(open: OpenExecutors, signal: AbortSignal): Promise<OpenedExecutors> {
  const executors: Executor[] = [];
  const found = new Map<SandboxId, Found>();
  const leftovers = () => open.entries.map((entry) => ({ entry, ...found.get(entry.sandbox?.sandboxId ?? '') }));
  try {
    for (const binding of open.bindings) executors.push(await openOne(binding, open, found, signal));
    return { executors, leftovers: leftovers() };
  } catch (error) {
    await leaveAll(leftovers(), open.log);
    await closeExecutors(executors, open.log);
    throw error;
  }
}

/** Leaves what was taken up to the agent after this one. */
export async function leaveAll(leftovers: readonly Leftover[], log: Logger): Promise<void> {
  for (const { entry, recovered } of leftovers) {
    try {
      await recovered?.sandbox.detach?.();
    } catch (error) {
      log.error({ err: error, job: entry.jobId }, 'a sandbox could not be left to the next agent');
    }
  }
}

async function openOne(
  binding: ExecutorBinding,
  open: OpenExecutors,
  found: Map<SandboxId, Found>,
  signal: AbortSignal,
): Promise<Executor> {
  const { state, clock, events } = open;
  const log = open.log.child({ executor: binding.name });
  const stateDir = await state.executorDir(binding.name);
  const executor = await binding.open({ ownerId: state.ownerId, stateDir, log, clock });
  try {
    const report = await probe(executor, signal);
    events.emit('executor:probed', { executor: executor.name, report });
    if (report.health === 'unavailable' || report.health === 'undetected') {
      throw new RitmoError(
        'RITMO_EXECUTOR_UNAVAILABLE',
        `The ${executor.name} executor cannot work here: ${report.detail}`,
      );
    }
    if (report.health === 'degraded') log.warn({ facts: report.facts }, report.detail);
    for (const entry of open.entries) {
      const taken = await takeUp(executor, entry, log, signal);
      if (taken && entry.sandbox) found.set(entry.sandbox.sandboxId, taken);
    }
    const swept = await executor.sweep(new Set(found.keys()), signal);
    events.emit('executor:swept', { executor: executor.name, report: swept });
    for (const { id, error } of swept.failed) log.error({ err: error, sandbox: id }, 'a stray could not be removed');
    return executor;
  } catch (error) {
    await executor[Symbol.asyncDispose]();
    throw error;
  }
}

async function probe(executor: Executor, signal: AbortSignal): Promise<ProbeReport> {
  const late = `The ${executor.name} executor did not say within ${probeMs / 1000} s whether it works.`;
  using bounded = withDeadline([signal], probeMs, new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', late));
  return await Promise.race([executor.probe(bounded.signal), rejection(bounded.signal)]);
}

/**
 * Takes up the sandbox of a build whose steps had begun, or else the files of one that was being stored. What cannot be
 * taken up is left to the sweep.
 */
async function takeUp(
  executor: Executor,
  entry: JournalEntry,
  log: Logger,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { sandbox: record, progress, storing, result, jobId: job } = entry;
  const unfinished = isUnfinishedUpload(entry);
  if (record?.executor !== executor.name || result || (storing && !unfinished)) return undefined;
  try {
    if (executor.recover && progress) {
      const progressed = (message: string) => log.info({ job }, message);
      const scope = { signal, progress: progressed, record: () => Promise.resolve() };
      const recovered = await executor.recover(record, scope);
      if (recovered.outcome === 'adopted') return { recovered };
      log.warn({ job }, 'the sandbox of a build of the agent before is gone');
    } else if (unfinished) {
      const reopened = await executor.reopen?.(record, signal);
      return reopened && { reopened };
    }
  } catch (error) {
    signal.throwIfAborted();
    log.error({ err: error, job }, 'what the agent before left of a build cannot be taken up any more');
  }
  return undefined;
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

/** Closes what others wrote for the agent, each by its name; one that throws keeps neither the rest nor the agent from ending. */
export async function closeAll(
  resources: Readonly<Record<string, AsyncDisposable | undefined>>,
  log: Logger,
): Promise<void> {
  for (const [what, resource] of Object.entries(resources)) {
    try {
      await resource?.[Symbol.asyncDispose]();
    } catch (error) {
      log.error({ err: error }, `the ${what} could not be closed`);
    }
  }
}

/** How long an executor that failed before may take to look for what it left, in milliseconds. */
const sweepAgainMs = 10_000;

/** Removes what is left in executors that have no build any more. Never rejects. */
export async function sweepAgain(executors: readonly Executor[], log: Logger): Promise<void> {
  const none: ReadonlySet<SandboxId> = new Set();
  await Promise.all(
    executors.map(async (executor) => {
      try {
        const { removed, failed } = await executor.sweep(none, AbortSignal.timeout(sweepAgainMs));
        if (removed.length + failed.length > 0)
          log.warn({ executor: executor.name, removed, failed }, 'what a failing executor had left was removed');
      } catch (error) {
        log.warn({ err: error, executor: executor.name }, 'what a failing executor left stays until the next start');
      }
    }),
  );
}
