import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { holderOfState } from '@ritmo/agent-core';
import { RitmoError } from '@ritmo/agent-core/executor';
import { exitCodes } from '../exit-codes.js';
import type { detachKeys } from '../options/groups.js';
import { defaultStateDir } from '../paths.js';
import type { Context } from './command.js';

const lookMs = 100;

/** Tells the agent that uses the state directory to detach, and waits until it has ended. */
export async function detach({ settings, io }: Context<(typeof detachKeys)[number]>): Promise<number> {
  const stateDir = resolve(settings.stateDir ?? defaultStateDir(io.env));
  const pid = await holderOfState(stateDir);
  if (pid === undefined) {
    throw new RitmoError('RITMO_NOT_FOUND', `No agent uses the state directory ${stateDir}.`, {
      hint: 'Name the one of the agent: --state-dir.',
    });
  }
  process.kill(pid, 'SIGUSR2');
  io.out.write(`the agent (process ${pid}) detaches; it ends when every build is left or has ended\n`);
  while ((await holderOfState(stateDir)) === pid) await sleep(lookMs);
  io.out.write('it has ended; start the next agent before the leases of its builds run out\n');
  return exitCodes.ok;
}
