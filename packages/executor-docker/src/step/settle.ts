import { notStarted, type StepExit } from '@ritmo/agent-core/executor';
import { signalNamed, type StepCommand } from '@ritmo/host-linux';
import type { CommandEnd } from './kept-step.js';

/** How a command ended, in the words of the contract. */
export function settle(
  { cwd, argv }: Pick<StepCommand, 'cwd'> & { readonly argv: readonly [string, ...string[]] },
  { answer, stopped, stragglers, limit }: CommandEnd,
): StepExit {
  if (stopped !== undefined) return { status: 'cancelled', reason: stopped.cause.reason, forced: stopped.forced };
  if (answer.kind === 'no-folder') {
    const error = notStarted(`There is no folder ${cwd} that the step may enter.`, 'Check `dir:` of the step.');
    return { status: 'not-started', error };
  }
  if (answer.kind === 'no-program') {
    const error = notStarted(
      `There is no program ${argv[0]} in the image.`,
      'Check `shell:` of the step and the image.',
    );
    return { status: 'not-started', error };
  }
  const signal = answer.signalled ? signalNamed((answer.code ?? 137) - 128) : undefined;
  const failed = signal !== undefined || answer.code !== 0;
  const more = {
    ...(limit !== undefined && failed ? { limit } : {}),
    ...(stragglers > 0 ? { stragglers } : {}),
  };
  return signal === undefined
    ? { status: 'exited', code: answer.code ?? 137, ...more }
    : { status: 'signalled', signal, ...more };
}
