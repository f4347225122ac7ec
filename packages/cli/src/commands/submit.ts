import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import { missingSecrets, readJob, readSecrets } from '../job-input.js';
import type { submitKeys } from '../options/groups.js';
import type { Context } from './command.js';
import { followJob } from './follow-job.js';
import { jsonText } from '../render/json-text.js';

/** How long a call of people may take, in milliseconds. */
export const callMs = 60_000;

/** Hands a job in; its id goes to stdout, or its log with `--follow`. */
export async function submit({ settings, args, io }: Context<(typeof submitKeys)[number]>): Promise<number> {
  const job = await readJob(args[0] ?? '-');
  const secrets = await readSecrets(job, settings, io.env);
  const missing = missingSecrets(job, secrets);
  if (missing.length > 0) io.err.write(`not given, so a worker must have them: ${missing.join(', ')}\n`);
  const signal = AbortSignal.timeout(callMs);
  await using client = await connect(settings, io.env, signal);
  const summary = await client.submit(
    { job, secrets, ...(settings.project !== undefined && { project: settings.project }) },
    signal,
  );
  if (settings.follow) {
    io.err.write(io.err.style.dim(`job ${summary.id}`) + '\n');
    return await followJob(client, summary.id, settings.json, io);
  }
  io.out.write(settings.json ? `${jsonText(JSON.stringify(summary), io.out)}\n` : `${summary.id}\n`);
  if (io.err.terminal) io.err.write(io.err.style.dim(`follow it with: ritmo-agent logs ${summary.id} --follow`) + '\n');
  return exitCodes.ok;
}
