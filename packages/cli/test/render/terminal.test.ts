import headless from '@xterm/headless';
import type { LogRecord } from '@ritmo/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Output } from '../../src/io.js';
import { LogView } from '../../src/render/log-view.js';
import { styleOf } from '../../src/render/style.js';

const esc = '\u001b';

/** A screen as a person has it. */
class Screen {
  readonly #terminal: headless.Terminal;
  readonly #written: Promise<void>[] = [];

  constructor(columns: number) {
    this.#terminal = new headless.Terminal({ cols: columns, rows: 12, convertEol: true, allowProposedApi: true });
  }

  readonly output = (): Output => ({
    write: (text) => void this.#written.push(new Promise((done) => this.#terminal.write(text, done))),
    terminal: true,
    erases: true,
    colours: true,
    columns: this.#terminal.cols,
    style: styleOf(true),
  });

  /** What stands on it, each character with its colours, without empty lines at the end. */
  async shown(): Promise<string[]> {
    await Promise.all(this.#written);
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, row) => {
      const line = active.getLine(row);
      const cells = Array.from({ length: this.#terminal.cols }, (__, column) => line?.getCell(column));
      return cells
        .map((cell) => `${cell?.getChars() ?? ''}${cell?.getFgColor() === -1 ? '' : cell?.getFgColor()}`)
        .join('');
    });
    return lines.join('\n').trimEnd().split('\n');
  }
}

const step: LogRecord = { t: 0, k: 'step', s: 0, name: 'Test', cmd: 'npm test' };
const output = (m: string): LogRecord => ({ t: 1, k: 'out', s: 0, fd: 1, m });
const end: LogRecord = { t: 1500, k: 'end', s: 0, code: 0 };

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

describe('a log on a terminal while the build runs', () => {
  test('says which step runs and for how long, while nothing is printed', async () => {
    const screen = new Screen(40);
    using view = new LogView(screen.output(), { live: true });
    vi.advanceTimersByTime(400);
    expect((await screen.shown()).at(-1)).toMatch(/^. Preparing/);
    view.show(step);
    view.show(output('one line\n'));
    vi.advanceTimersByTime(61_500);
    const lines = await screen.shown();
    expect(lines.at(-2)).toContain('one line');
    expect(lines.at(-1)).toMatch(/^. Test {2}1 min 1 s/);
  });

  test('waits while a line is half printed, as a progress bar is', async () => {
    const screen = new Screen(40);
    using view = new LogView(screen.output(), { live: true });
    view.show(step);
    view.show(output('\r 50 %'));
    vi.advanceTimersByTime(5000);
    expect((await screen.shown()).at(-1)).toMatch(/^ 50 %/);
  });

  test('never wraps in a narrow window', async () => {
    const screen = new Screen(12);
    using view = new LogView(screen.output(), { live: true });
    view.show({ ...step, name: '漢字 in the very long name of a step' });
    vi.advanceTimersByTime(1000);
    const before = (await screen.shown()).length;
    vi.advanceTimersByTime(3000);
    expect(await screen.shown()).toHaveLength(before);
  });

  test('leaves exactly what the log leaves without it, whenever it was drawn', async () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'ä', '漢', '%'), maxLength: 9 });
    const control = fc.constantFrom('\n', '\r', `${esc}[31m`, `${esc}[42m`, `${esc}[0m`, `${esc}[K`);
    const text = fc.array(fc.oneof(word, control), { maxLength: 6 }).map((parts) => parts.join(''));
    const moment = fc.record({ m: text, waitMs: fc.integer({ min: 0, max: 900 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(moment, { maxLength: 12 }),
        fc.integer({ min: 20, max: 60 }),
        async (moments, columns) => {
          const [plain, live] = [new Screen(columns), new Screen(columns)];
          const expected = new LogView(plain.output(), { live: false });
          using view = new LogView(live.output(), { live: true });
          const show = (record: LogRecord) => [expected, view].forEach((each) => each.show(record));
          show(step);
          for (const { m, waitMs } of moments) {
            show(output(m));
            vi.advanceTimersByTime(waitMs);
          }
          show(end);
          for (const each of [expected, view]) each.close();
          expect(await live.shown()).toEqual(await plain.shown());
        },
      ),
      { numRuns: 150 },
    );
  });
});
