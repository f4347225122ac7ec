import type { LogLine } from '@ritmo/protocol';
import type { Output } from '../io.js';
import { type Ending, finalLine } from './final-line.js';
import { LogView } from './log-view.js';

/** Prints a job's log as it comes, for a person or as raw records. */
export interface LogPrinter {
  print(line: LogLine): void;
  /** Leaves the terminal as it was, before words of ours. */
  pause(): void;
  /** The last line: how the job ended. */
  end(ending: Ending): void;
}

/** A printer for `--json`, or for people. */
export function logPrinter(out: Output, json: boolean): LogPrinter {
  if (json) {
    const print = ({ text }: LogLine) => {
      // What a power loss left blank is no record.
      if (text.trim() !== '') out.write(`${text}\n`);
    };
    return { print, pause: () => undefined, end: () => undefined };
  }
  const view = new LogView(out);
  return {
    print({ record }) {
      if (record !== undefined) view.show(record);
    },
    pause: () => view.close(),
    end(ending) {
      view.close();
      out.write(finalLine(ending, out.style));
    },
  };
}
