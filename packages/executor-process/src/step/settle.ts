import {
  type LimitHit,
  notStarted,
  RitmoError,
  type StepExit,
  type Stopped,
  tooLong,
} from '@ritmo/agent-core/executor';
import { signalNamed } from '@ritmo/host-linux';
import type { Command } from './command.js';
import type { CommandResult } from './run-command.js';
import type { LauncherReport } from './report.js';
import type { ProcessEnd } from './start.js';

export interface Facts {
  readonly command: Command;
  /** How the process that we started ended: bubblewrap, or the launcher itself. */
  readonly end: ProcessEnd;
  readonly report: LauncherReport;
  /** All that was said on the report's descriptor, bubblewrap's errors too. */
  readonly text: string;
  readonly stopped: Stopped | undefined;
  /** Processes that were ended after the main one. */
  readonly cleared: number;
  /** The limit that was enforced while it ran. */
  readonly limit: LimitHit | undefined;
}

/** Makes one outcome of all that is known. Throws RITMO_SANDBOX_BROKEN when the step never had its chance. */
export function settle(facts: Facts): CommandResult {
  const { stopped, report } = facts;
  const cpuMs = report.ended?.cpuMs ?? 0;
  if (stopped !== undefined) {
    return { exit: { status: 'cancelled', reason: stopped.cause.reason, forced: stopped.forced }, cpuMs };
  }
  if (report.forged) {
    throw new RitmoError('RITMO_SANDBOX_BROKEN', 'The step has written over the report of how it ended.', {
      hint: 'A step may not write to descriptors of other processes.',
      retryable: false,
    });
  }
  const failure = failureOf(facts);
  if (failure !== undefined) return { exit: { status: 'not-started', error: failure }, cpuMs };
  const own = ownEnd(facts);
  const succeeded = own.status === 'exited' && own.code === 0;
  // One that got over the refusal of a process, or the end of one, was not ended by the limit.
  const limit = facts.limit === undefined || succeeded ? {} : { limit: facts.limit };
  return { exit: { ...own, ...limit, ...stragglersOf(facts) }, cpuMs };
}

function failureOf({ command, end, report, text }: Facts): RitmoError | undefined {
  if (report.failure === 'no-folder') {
    return notStarted(`There is no folder ${command.cwd} that the step may enter.`, 'Check `dir:` of the step.');
  }
  if (report.failure === 'no-program') {
    const [program] = command.argv;
    const where = program.includes('/') ? '' : ` in ${command.env['PATH'] ?? 'PATH'}`;
    return notStarted(
      `There is no program ${program}${where}.`,
      'Check `shell:` of the step; the worker must have the program, and show it to builds.',
    );
  }
  if (end.kind === 'failed' && end.code === 'E2BIG') return tooLong();
  if (!report.started && /Argument list too long|Exceeded maximum number of arguments/.test(text)) return tooLong();
  return undefined;
}

function ownEnd({ end, report, text, limit }: Facts): StepExit & { status: 'exited' | 'signalled' } {
  const { ended } = report;
  if (ended !== undefined) {
    const signal = ended.signalled ? signalNamed(ended.code - 128) : undefined;
    return signal === undefined ? { status: 'exited', code: ended.code } : { status: 'signalled', signal };
  }
  // Too little memory even for what starts the step.
  if (!report.started && limit === 'memory') return { status: 'signalled', signal: 'SIGKILL' };
  if (!report.started || end.kind === 'failed') throw broken(end, text);
  // The launcher itself was ended, by the step or from outside: bubblewrap's code tells by what.
  if (end.kind === 'signalled') return { status: 'signalled', signal: end.signal };
  const signal = signalNamed(end.code - 128);
  return signal === undefined ? { status: 'exited', code: end.code } : { status: 'signalled', signal };
}

function stragglersOf({ report, cleared }: Facts): { stragglers?: number } {
  const stragglers = (report.ended?.left ?? 0) + cleared;
  return stragglers === 0 ? {} : { stragglers };
}

function broken(end: ProcessEnd, text: string): RitmoError {
  const how = end.kind === 'exited' ? `code ${end.code}` : end.kind === 'signalled' ? end.signal : `error ${end.code}`;
  const said = text.trim().slice(0, 500);
  return new RitmoError(
    'RITMO_SANDBOX_BROKEN',
    `The sandbox could not be made (${how})${said === '' ? '.' : `: ${said}`}`,
    {
      cause: end.kind === 'failed' ? end.error : undefined,
    },
  );
}
