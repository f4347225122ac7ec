import { brokenLines, visibleLength } from './wrap.js';

const gap = 2;
/** Narrower than this, the last column is left to the terminal. */
const narrowest = 24;

/** Rows as text, each column as wide as its widest cell; the last one is broken between words where `columns` are too few. */
export function table(rows: ReadonlyArray<readonly string[]>, columns = Number.POSITIVE_INFINITY): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => visibleLength(row[column] ?? ''))));
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + gap, 0);
  const room = columns - before >= narrowest ? columns - before : Number.POSITIVE_INFINITY;
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1
          ? brokenLines(cell, room).join(`\n${' '.repeat(before)}`)
          : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)),
      );
      return `${cells.join(' '.repeat(gap)).trimEnd()}\n`;
    })
    .join('');
}
