import { oneLine, showDuration, type StepResult } from '@ritmo/protocol';
import type { Output } from '../io.js';

/** All steps of an ended build beneath each other, how each ended and how long it took; nothing for a single one. */
export function stepTree(steps: readonly StepResult[], { style, columns }: Pick<Output, 'style' | 'columns'>): string {
  if (steps.length < 2) return '';
  const rows = steps.map((step) => ({ ...look(step, style), name: oneLine(step.name), note: noteOf(step) }));
  const widest = Math.max(...rows.map(({ note }) => note.length));
  const room = Math.max(8, Math.min(columns - widest - 6, Math.max(...rows.map(({ name }) => name.length))));
  const lines = rows.map(({ mark, paint, name, note }) => {
    const shown = name.length > room ? `${name.slice(0, room - 1)}…` : name.padEnd(room);
    return `  ${paint(mark)} ${shown}  ${style.dim(note)}\n`;
  });
  return `\n${lines.join('')}`;
}

function look({ status }: StepResult, { green, red, yellow, dim }: Output['style']) {
  switch (status) {
    case 'succeeded':
      return { mark: '✓', paint: green };
    case 'skipped':
      return { mark: '–', paint: dim };
    case 'cancelled':
    case 'timed_out':
      return { mark: '■', paint: yellow };
    case 'failed':
    case 'errored':
      return { mark: '✗', paint: red };
  }
}

function noteOf({ status, exitCode, signal, limit, durationMs }: StepResult): string {
  const took = showDuration(durationMs);
  if (status === 'succeeded') return took;
  if (status === 'skipped') return 'not run';
  const how =
    status === 'failed' && signal !== undefined
      ? `ended by ${oneLine(signal)}`
      : status === 'failed' && exitCode !== undefined
        ? `exit code ${exitCode}`
        : status.replace('_', ' ');
  return `${how}${limit === undefined ? '' : ` at its ${oneLine(limit)} limit`}, ${took}`;
}
