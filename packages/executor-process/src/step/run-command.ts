import {
  causeOf,
  type Clock,
  type LimitHit,
  RitmoError,
  type StepExit,
  type StepScope,
  Stopper,
} from '@ritmo/agent-core/executor';
import { type Cgroup, endGroup, type GroupEvents } from '@ritmo/host-linux';
import type { JobView, Level } from '../level/level.js';
import type { JobDisk } from '../disk/job-disk.js';
import { DiskWatch } from '../disk/disk-watch.js';
import { Attempt } from './attempt.js';
import { assertPassable, type Command } from './command.js';
import { readReport } from './report.js';
import { OutputPump } from './output.js';
import type { PipePool } from './pipes.js';
import { settle } from './settle.js';

/** How long a pipe may stay open that only a process out of our reach can hold (bare level). */
const drainMs = 1_000;

export interface CommandHost {
  readonly level: Level;
  readonly pipes: PipePool;
  readonly clock: Clock;
}

export interface CommandResult {
  readonly exit: StepExit;
  readonly cpuMs: number;
}

/** Runs a command of a job to its end; settles by the rules of `Sandbox.run`. `ahead` serves where it still waits. */
export async function runCommand(
  host: CommandHost,
  job: JobView,
  command: Command,
  scope: StepScope,
  disk: JobDisk,
  ahead?: Attempt,
): Promise<CommandResult> {
  if (scope.signal.aborted) {
    await ahead?.[Symbol.asyncDispose]();
    return notRun({ status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false });
  }
  const before = job.group?.events();
  let attempt: Attempt;
  try {
    assertPassable(command);
    host.level.place(job);
    attempt = await Attempt.begin(host, job, command, ahead);
  } catch (error) {
    await ahead?.[Symbol.asyncDispose]();
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') {
      return notRun({ status: 'not-started', error });
    }
    throw error;
  }
  const run = { host, job, command, scope, disk, before };
  const result = await follow(attempt, run, attempt === ahead);
  attempt.release();
  // Somebody has ended it while it waited: nothing of the command has run.
  return result ?? (await runCommand(host, job, command, scope, disk));
}

interface Run {
  readonly host: CommandHost;
  readonly job: JobView;
  readonly command: Command;
  readonly scope: StepScope;
  readonly disk: JobDisk;
  /** What the group counted before. */
  readonly before: GroupEvents | undefined;
}

/** Undefined when what was made ahead was gone before the command could begin. */
async function follow(
  attempt: Attempt,
  { host, job, command, scope, disk, before }: Run,
  madeAhead: boolean,
): Promise<CommandResult | undefined> {
  const { started, tree, pipes } = attempt;
  const pump = new OutputPump(pipes.stdout, pipes.stderr, scope.output);
  const stopper = new Stopper(tree, scope, host.clock);
  let waits = true;
  attempt.report.follow((text) => {
    const said = readReport(text);
    if (said.here && waits) {
      waits = false;
      // From here on it ends with the agent.
      if (stopper.begun) started.dismiss();
      else started.release();
    }
    // Told to stop by somebody else than us: there is nothing to wait for.
    if (!stopper.begun && said.held) tree.kill();
  });
  const watch = new DiskWatch(disk, () => tree.kill());
  const end = await started.ended;
  const stopped = await stopper.finish();
  const cleared = await tree.clear();
  // Before the group is emptied, which refuses forks on purpose.
  const after = job.group?.events();
  if (job.group !== undefined) await proveEmpty(job.group);
  await drain(pump, host);
  const overDisk = (await watch.end()) || disk.full();
  const limit = limitHit(before, after) ?? (overDisk ? 'disk' : undefined);
  const text = await attempt.report.ended;
  const told = readReport(text);
  const begun = told.started || told.failure !== undefined || stopped !== undefined || limit !== undefined;
  if (madeAhead && !begun) return undefined;
  return settle({ command, end, report: told, text, stopped, cleared, limit });
}

/** By the kernel's own account: nothing of the command is left. */
async function proveEmpty(group: Cgroup): Promise<void> {
  await endGroup(group).catch((error: unknown) => {
    throw RitmoError.from(error, 'RITMO_SANDBOX_BROKEN');
  });
}

function limitHit(before: GroupEvents | undefined, after: GroupEvents | undefined): LimitHit | undefined {
  if (before === undefined || after === undefined) return undefined;
  if (after.oomKills > before.oomKills) return 'memory';
  return after.refusedForks > before.refusedForks ? 'pids' : undefined;
}

async function drain(pump: OutputPump, { level, clock }: CommandHost): Promise<void> {
  if (level.name === 'bare') {
    const over = new AbortController();
    const timer = clock.sleep(drainMs, over.signal).then(
      () => pump.abandon(),
      () => undefined,
    );
    await pump.done.finally(() => over.abort());
    await timer;
  } else {
    await pump.done;
  }
}

const notRun = (exit: StepExit): CommandResult => ({ exit, cpuMs: 0 });
