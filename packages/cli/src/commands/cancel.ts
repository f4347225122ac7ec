import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import type { jobKeys } from '../options/groups.js';
import type { Context } from './command.js';
import { callMs } from './submit.js';
import { jsonText } from '../render/json-text.js';

/** Cancels a job, and says what came of it; a job that has ended stays as it is. */
export async function cancel({ settings, args, io }: Context<(typeof jobKeys)[number]>): Promise<number> {
  const signal = AbortSignal.timeout(callMs);
  await using client = await connect(settings, io.env, signal);
  const job = await client.cancel(args[0] ?? '', signal);
  if (settings.json) io.out.write(`${jsonText(JSON.stringify(job), io.out)}\n`);
  else io.out.write(`${job.id} ${job.cancelling ? 'is being cancelled' : `is ${job.state.replace('_', ' ')}`}\n`);
  return exitCodes.ok;
}
