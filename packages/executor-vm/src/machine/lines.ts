import type { Readable } from 'node:stream';

/** Hands on each line of a stream, without its end; `onTooLong` instead once a line is longer than `most` bytes. */
export function readLines(stream: Readable, most: number, onLine: (line: string) => void, onTooLong: () => void): void {
  let rest = '';
  let over = false;
  stream.on('data', (chunk: Buffer) => {
    if (over) return;
    rest += chunk.toString('latin1');
    let from = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
      if (end - from > most) break;
      onLine(rest.slice(from, end));
      from = end + 1;
    }
    rest = rest.slice(from);
    if (rest.length <= most) return;
    over = true;
    rest = '';
    onTooLong();
  });
}
