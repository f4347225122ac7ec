import { RitmoError } from '@ritmo/agent-core/executor';
import { oneLine } from '@ritmo/protocol';
import { connect } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import type { jobKeys } from '../options/groups.js';
import type { Context } from './command.js';
import { callMs } from './submit.js';
import { jsonText } from '../render/json-text.js';

type WorkerContext = Context<(typeof jobKeys)[number]>;

/** Gives a worker no new jobs. */
export const pause = (context: WorkerContext) => tell(context, 'pause');
/** Gives a paused worker jobs again. */
export const resume = (context: WorkerContext) => tell(context, 'resume');
/** Lets a worker finish and end. */
export const drain = (context: WorkerContext) => tell(context, 'drain');

/** A worker is named by its name or its id. */
async function tell({ settings, args, io }: WorkerContext, command: 'pause' | 'resume' | 'drain'): Promise<number> {
  const signal = AbortSignal.timeout(callMs);
  await using client = await connect(settings, io.env, signal);
  const workers = await client.workers(signal);
  const wanted = args[0] ?? '';
  const worker = workers.find(({ id }) => id === wanted) ?? workers.find(({ name }) => name === wanted);
  if (worker === undefined)
    throw new RitmoError('RITMO_NOT_FOUND', `There is no worker ${JSON.stringify(wanted)}.`, {
      hint:
        workers.length === 0
          ? 'No worker is registered.'
          : `There are: ${workers.map(({ name }) => oneLine(name)).join(', ')}.`,
    });
  const told = await client.command(worker.id, command, signal);
  io.out.write(
    settings.json ? `${jsonText(JSON.stringify(told), io.out)}\n` : `${oneLine(told.name)} was told to ${command}\n`,
  );
  return exitCodes.ok;
}
