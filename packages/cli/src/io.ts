import type { WriteStream } from 'node:tty';
import { type Style, styleOf } from './render/style.js';

/** One of the two ways out of the program. */
export interface Output {
  write(text: string): void;
  /** A person looks at it. */
  readonly terminal: boolean;
  /** A line that was written can be taken away again: a terminal that knows how. */
  readonly erases: boolean;
  readonly colours: boolean;
  readonly columns: number;
  readonly style: Style;
}

/** The surroundings of a command: everything that it does not compute. */
export interface Io {
  /** What was asked for: results, logs of builds, help. */
  readonly out: Output;
  /** All that is said besides. */
  readonly err: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Stream = Pick<WriteStream, 'write'> & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

/** An output on a stream. Colours are for terminals, and not where NO_COLOR says so; FORCE_COLOR turns them on. */
export function outputTo(stream: Stream, env: Io['env']): Output {
  const terminal = stream.isTTY === true;
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== '';
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const colours = forced || (terminal && !refused);
  return {
    write: (text) => void stream.write(text),
    terminal,
    erases: terminal && env['TERM'] !== 'dumb',
    colours,
    get columns() {
      // A terminal that does not know says 0.
      return stream.columns || 80;
    },
    style: styleOf(colours),
  };
}
