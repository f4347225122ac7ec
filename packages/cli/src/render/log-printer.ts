import type { LogLine, StepResult } from '@ritmo/protocol';
import type { Output } from '../io.js';
import { type Ending, finalLine } from './final-line.js';
import { LogView } from './log-view.js';
import { stepTree } from './step-tree.js';
import { jsonText } from './json-text.js';
import { wrapped } from './wrap.js';

/** Prints a job's log as it comes, for a person or as raw records. */
export interface LogPrinter extends Disposable {
  print(line: LogLine): void;
  /** What is done at the moment, where the log does not tell. */
  goesOn(words: string): void;
  /** Leaves the terminal as it was, before words of ours. */
  pause(): void;
  /** The last lines: how the job ended, and on a terminal each of its steps. */
  end(ending: Ending & { readonly steps: readonly StepResult[] }): void;
}

/** A printer for `--json`, or for people. `live`: while nothing is printed, a terminal shows what goes on. */
export function logPrinter(
  out: Output,
  { json, live }: { readonly json: boolean; readonly live: boolean },
): LogPrinter {
  if (json) {
    const print = ({ text }: LogLine) => {
      // What a power loss left blank is no record.
      if (text.trim() !== '') out.write(`${jsonText(text, out)}\n`);
    };
    return {
      print,
      goesOn: () => undefined,
      pause: () => undefined,
      end: () => undefined,
      [Symbol.dispose]: () => undefined,
    };
  }
  const view = new LogView(out, { live });
  return {
    print({ record }) {
      if (record !== undefined) view.show(record);
    },
    goesOn: (words) => view.goesOn(words),
    pause: () => view.close(),
    end(ending) {
      view.close();
      view[Symbol.dispose]();
      if (out.terminal) out.write(stepTree(ending.steps, out));
      out.write(wrapped(finalLine(ending, out.style), out));
    },
    [Symbol.dispose]: () => view[Symbol.dispose](),
  };
}
