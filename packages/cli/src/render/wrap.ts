/** Narrower than this, lines are left to the terminal. */
const narrowest = 24;

/**
 * Text with its lines broken between words where a terminal is too narrow for them, further lines `indent` columns in.
 * Colours of ours take no room; a word that is too long stays whole. Where lines have no end, the text as it is.
 */
export function wrapped(
  text: string,
  { terminal, columns }: { readonly terminal: boolean; readonly columns: number },
  indent = 2,
): string {
  const room = columns - indent;
  if (!terminal || room < narrowest) return text;
  return text
    .split('\n')
    .map((line) => brokenLines(line, room, columns).join(`\n${' '.repeat(indent)}`))
    .join('\n');
}

/** Lines of at most `room` columns; the first may have `firstRoom`. */
export function brokenLines(text: string, room: number, firstRoom = room): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`;
    if (lines.length === 0) lines.push(word);
    else if (visibleLength(longer) <= (lines.length === 1 ? firstRoom : room)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** How many columns a text takes, without colours of ours. */
export function visibleLength(text: string): number {
  // The colours are our own.
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\u001b\[\d+m/g, '').length;
}
