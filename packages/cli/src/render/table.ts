/** Rows as text, each column as wide as its widest cell; the last column is not padded. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => visibleLength(row[column] ?? ''))));
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === row.length - 1 ? cell : cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)),
      );
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

function visibleLength(cell: string): number {
  // The colours are our own.
  // oxlint-disable-next-line no-control-regex
  return cell.replaceAll(/\u001b\[\d+m/g, '').length;
}
