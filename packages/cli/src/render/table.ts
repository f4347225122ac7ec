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
          ? broken(cell, room).join(`\n${' '.repeat(before)}`)
          : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)),
      );
      return `${cells.join(' '.repeat(gap)).trimEnd()}\n`;
    })
    .join('');
}

function broken(cell: string, room: number): string[] {
  const lines: string[] = [];
  for (const word of cell.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`;
    if (lines.length === 0) lines.push(word);
    else if (visibleLength(longer) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function visibleLength(cell: string): number {
  // The colours are our own.
  // oxlint-disable-next-line no-control-regex
  return cell.replaceAll(/\u001b\[\d+m/g, '').length;
}
