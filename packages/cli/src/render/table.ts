import { brokenLines, visibleLength } from './wrap.js';

const gap = 2;
/** The last column is not broken to fewer columns than this. */
const narrowest = 24;
/** How far in the last column stands below the others, where there is no room beside them. */
const indent = 4;

/**
 * Rows as text, each column as wide as its widest cell. Where `columns` are too few the last column is broken between
 * words, then put below the others, and left to a terminal that is too narrow for that too.
 */
export function table(rows: ReadonlyArray<readonly string[]>, columns = Number.POSITIVE_INFINITY): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => visibleLength(row[column] ?? ''))));
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + gap, 0);
  const isBeside = columns - before >= narrowest;
  const isBelow = !isBeside && columns - indent >= narrowest;
  const start = isBelow ? indent : before;
  const room = isBeside || isBelow ? columns - start : Number.POSITIVE_INFINITY;
  return rows
    .map((row) => {
      const cells = row
        .slice(0, -1)
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell) + gap))
        .join('');
      const lines = brokenLines(row.at(-1) ?? '', room).join(`\n${' '.repeat(start)}`);
      return isBelow ? `${cells.trimEnd()}\n${' '.repeat(start)}${lines}\n` : `${cells}${lines}`.trimEnd() + '\n';
    })
    .join('');
}
