import { type Failure, type JobState, oneLine, showDuration } from '@ritmo/protocol';
import type { Style } from './style.js';

/** How a job ended, as far as one line needs it. */
export interface Ending {
  readonly state: JobState;
  readonly durationMs?: number | undefined;
  readonly failure?: Failure | undefined;
}

/** The last line: what happened and why, with what to do about it beneath where that is not plain. */
export function finalLine({ state, durationMs, failure }: Ending, style: Style): string {
  const word = state.replace('_', ' ');
  if (state === 'succeeded')
    return `${style.green(word)}${durationMs === undefined ? '' : ` in ${showDuration(durationMs)}`}\n`;
  const paint = state === 'cancelled' ? style.yellow : style.red;
  if (failure === undefined) return `${paint(word)}\n`;
  const reason = oneLine(failure.message).replace(/\.$/, '');
  // The output of the step that failed says it all.
  const isPlain = failure.code === 'RITMO_STEP_FAILED' || failure.code === 'RITMO_CANCELLED';
  const code = isPlain ? '' : ` (${oneLine(failure.code)})`;
  const hint = isPlain || failure.hint === undefined ? '' : `${style.dim(`hint: ${oneLine(failure.hint)}`)}\n`;
  return `${paint(word)}: ${reason}${code}\n${hint}`;
}
