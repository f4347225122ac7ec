import type { Readable } from 'node:stream';
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
import { assertPassable, type Command } from './command.js';
import { readReport } from './report.js';
import { OutputPump } from './output.js';
import { openPipes, type PipePool } from './pipes.js';
import { settle } from './settle.js';
import { start } from './start.js';

const maxReportChars = 64 * 1024;
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

/** Runs a command of a job to its end; settles by the rules of `Sandbox.run`. */
export async function runCommand(
  host: CommandHost,
  job: JobView,
  command: Command,
  scope: StepScope,
  disk: JobDisk,
): Promise<CommandResult> {
  if (scope.signal.aborted) return notRun({ status: 'cancelled', reason: causeOf(scope.signal).reason, forced: false });
  try {
    assertPassable(command);
    host.level.place(job);
  } catch (error) {
    if (error instanceof RitmoError && error.code === 'RITMO_STEP_NOT_STARTED') {
      return notRun({ status: 'not-started', error });
    }
    throw error;
  }
  const pair = await host.pipes.take(job.user);
  const result = await runOn(pair, host, job, command, scope, disk);
  // Only a pair that has come to its end is used again; after a failure somebody may still hold it.
  host.pipes.release(pair);
  return result;
}

async function runOn(
  pair: string,
  host: CommandHost,
  job: JobView,
  command: Command,
  scope: StepScope,
  disk: JobDisk,
): Promise<CommandResult> {
  const spec = host.level.startSpec(job, command);
  const before = job.group?.events();
  const pipes = openPipes(pair);
  let started: ReturnType<typeof start>;
  try {
    started = start(spec, pipes.writeEnds);
  } finally {
    pipes.closeWriteEnds();
  }
  const pump = new OutputPump(pipes.stdout, pipes.stderr, scope.output);
  const tree = host.level.tree(job, started);
  const stopper = new Stopper(tree, scope, host.clock);
  const report = gather(started.report, (text) => {
    // Told to stop by somebody else than us: there is nothing to wait for.
    if (!stopper.begun && readReport(text).held) tree.kill();
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
  const text = await report;
  return settle({ command, end, report: readReport(text), text, stopped, cleared, limit });
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

/** Collects a text up to a bound; `seen` is called with all that has come so far. Resolves at its end. */
function gather(stream: Readable | undefined, seen: (text: string) => void): Promise<string> {
  if (stream === undefined) return Promise.resolve('');
  let text = '';
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      if (text.length > maxReportChars) return;
      text += chunk.toString();
      seen(text);
    });
    stream.once('error', () => resolve(text));
    stream.once('close', () => resolve(text));
  });
}

const notRun = (exit: StepExit): CommandResult => ({ exit, cpuMs: 0 });
