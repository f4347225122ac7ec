import { RitmoError } from '@ritmo/agent-core/executor';
import { type JobDetail, oneLine } from '@ritmo/protocol';
import type { ApiClient } from '../api/client.js';
import { follow } from '../api/follow.js';
import { exitCodeOfJob, exitCodes } from '../exit-codes.js';
import type { Io } from '../io.js';
import { logPrinter } from '../render/log-printer.js';
import { onStopSignals } from '../signals.js';

/** How long nothing is printed before it is said why, in milliseconds. */
const explainMs = 2000;

/** Prints the log of a job until it has ended, and answers its exit code. A signal ends the printing, not the job. */
export async function followJob(client: ApiClient, jobId: string, json: boolean, io: Io): Promise<number> {
  const { dim, yellow } = io.err.style;
  const say = (text: string) => io.err.write(`${text}\n`);
  const stop = new AbortController();
  using _signals = onStopSignals([() => stop.abort(new RitmoError('RITMO_CANCELLED', 'Stopped following.'))]);
  using printer = logPrinter(io.out, { json, live: true });
  const waiting = setTimeout(() => {
    explain(client, jobId, stop.signal, (text) => {
      printer.pause();
      say(dim(text));
    }).catch(() => undefined);
  }, explainMs);
  try {
    const lines = follow({
      client,
      jobId,
      signal: stop.signal,
      onBegunAnew() {
        printer.pause();
        say(yellow('The worker sent its log anew, since it was not what the server had. Here it is from its start.'));
      },
      onConnection(lost) {
        printer.pause();
        say(lost === undefined ? dim('connected again') : yellow(`${lost.message} Trying again; the job goes on.`));
      },
    });
    for (;;) {
      const next = await lines.next();
      clearTimeout(waiting);
      if (next.done === true) {
        const { state, failure, steps } = next.value;
        printer.end({ state, durationMs: durationOf(next.value), failure, steps });
        return exitCodeOfJob(state);
      }
      printer.print(next.value);
    }
  } catch (error) {
    printer.pause();
    if (!stop.signal.aborted) throw error;
    say(`The job goes on: \`ritmo-agent logs ${jobId} --follow\` shows it, \`ritmo-agent cancel ${jobId}\` ends it.`);
    return exitCodes.cancelled;
  } finally {
    clearTimeout(waiting);
  }
}

/** Why a job still waits. */
async function explain(
  client: ApiClient,
  jobId: string,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  const { state, placement = [] } = await client.job(jobId, signal);
  if (state !== 'queued') return;
  if (placement.length === 0) return say('waiting: no worker is connected');
  if (placement.some(({ fits }) => fits)) return say('waiting for a worker to be free');
  say('waiting: no worker fits');
  for (const { worker, reasons } of placement) say(`  ${oneLine(worker)}: ${oneLine(reasons.join(', '))}`);
}

/** From the hand-out to the end, by the server's clock. */
export function durationOf(job: Pick<JobDetail, 'startedAt' | 'endedAt'>): number | undefined {
  if (job.startedAt === undefined || job.endedAt === undefined) return undefined;
  return Date.parse(job.endedAt) - Date.parse(job.startedAt);
}
