import type { Io, Output } from '../../src/io.js';
import { styleOf } from '../../src/render/style.js';

/** An output that keeps what is written. */
export function memoryOutput(
  options: { terminal?: boolean; colours?: boolean; columns?: number } = {},
): Output & { readonly text: string } {
  const { terminal = false, colours = false, columns = 80 } = options;
  const written: string[] = [];
  return {
    write: (text) => void written.push(text),
    terminal,
    erases: terminal,
    colours,
    columns,
    style: styleOf(colours),
    get text() {
      return written.join('');
    },
  };
}

/** Surroundings without a terminal. */
export function memoryIo(env: Io['env'] = {}) {
  return { out: memoryOutput(), err: memoryOutput(), env };
}
