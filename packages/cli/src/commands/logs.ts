import { RitmoError } from '@ritmo/agent-core/executor';
import { endStates, LogLineSplitter } from '@ritmo/protocol';
import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import type { logsKeys } from '../options/groups.js';
import { logPrinter } from '../render/log-printer.js';
import type { Context } from './command.js';
import { durationOf, followJob } from './follow-job.js';
import { callMs } from './submit.js';

/** Prints the log of a job as it is now, or until the job has ended; that then ends as the job did. */
export async function logs({ settings, args, io }: Context<(typeof logsKeys)[number]>): Promise<number> {
  const id = args[0] ?? '';
  const { follow, logAttempt, json } = settings;
  const signal = AbortSignal.timeout(callMs);
  await using client = await connect(settings, io.env, signal);
  if (follow && logAttempt > 0)
    throw new RitmoError('RITMO_USAGE', '--follow goes through all attempts; leave --attempt out.');
  if (follow) return await followJob(client, id, json, io);

  const job = await client.job(id, signal);
  const attempt = logAttempt > 0 ? job.attempts.find(({ epoch }) => epoch === logAttempt) : job.attempts.at(-1);
  if (attempt === undefined) {
    if (logAttempt > 0) throw new RitmoError('RITMO_NOT_FOUND', `Job ${id} has no attempt ${logAttempt}.`);
    io.err.write(`Job ${id} is ${job.state}; it has no log yet.\n`);
    return exitCodes.ok;
  }
  using printer = logPrinter(io.out, { json, live: false });
  const splitter = new LogLineSplitter();
  const reading = new AbortController();
  for await (const bytes of client.log(id, { attempt: attempt.epoch, follow: false }, reading.signal))
    for (const line of splitter.lines(bytes)) printer.print(line);
  const isLast = attempt.epoch === job.attempts.at(-1)?.epoch;
  if (isLast && endStates.has(job.state))
    printer.end({ state: job.state, durationMs: durationOf(job), failure: job.failure, steps: job.steps });
  else printer.pause();
  return exitCodes.ok;
}
