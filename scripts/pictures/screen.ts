import { execFile } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import headless from '@xterm/headless';

const run = promisify(execFile);

export interface Window {
  readonly columns: number;
  readonly rows: number;
}

/** Text of one look, up to where the look changes. */
export interface Span {
  readonly text: string;
  readonly column: number;
  /** Index of the palette, 0 to 15; undefined is the terminal's own colour. */
  readonly colour: number | undefined;
  readonly bold: boolean;
  readonly dim: boolean;
}

/** A window of tmux in which a program runs, as a person has it. */
export class TerminalWindow implements AsyncDisposable {
  readonly #socket: string;
  readonly #window: Window;

  private constructor(socket: string, window: Window) {
    this.#socket = socket;
    this.#window = window;
  }

  /** `env` is added to the environment of this process. */
  static async open(
    socket: string,
    window: Window,
    cwd: string,
    command: string,
    env: Readonly<Record<string, string>>,
  ): Promise<TerminalWindow> {
    const size = ['-x', String(window.columns), '-y', String(window.rows)];
    // Not by `-e`: a login shell of tmux would set PATH anew.
    const set = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const script = `${command}; tmux -S "$0" wait-for -S ended; exec cat`;
    const started = ['-c', cwd, 'env', ...set, 'sh', '-c', script, socket];
    await run('tmux', [
      '-f',
      '/dev/null',
      '-S',
      socket,
      'new-session',
      '-d',
      ...size,
      ...started,
      ';',
      'set',
      'status',
      'off',
    ]);
    return new TerminalWindow(socket, window);
  }

  /** Waits until the screen shows what is looked for. */
  async waitFor(wanted: RegExp, timeoutMs = 60_000): Promise<void> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const shown = await this.#tmux('capture-pane', '-p');
      if (wanted.test(shown)) return;
      await setTimeout(50);
      if (performance.now() > until) throw new Error(`the screen never showed ${wanted}:\n${shown}`);
    }
  }

  async ended(): Promise<void> {
    await this.#tmux('wait-for', 'ended');
  }

  /** The rows as they stand. */
  async rows(): Promise<Span[][]> {
    const text = await this.#tmux('capture-pane', '-p', '-e');
    const { columns, rows } = this.#window;
    const terminal = new headless.Terminal({ cols: columns, rows: rows + 1, convertEol: true, allowProposedApi: true });
    await new Promise<void>((done) => terminal.write(text, done));
    const all = Array.from({ length: rows }, (_, row) => spansOf(terminal, row));
    while (all.at(-1)?.every(({ text: said }) => said.trim() === '')) all.pop();
    return all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
  }

  async #tmux(...args: readonly string[]): Promise<string> {
    return (await run('tmux', ['-S', this.#socket, ...args])).stdout;
  }
}

function spansOf(terminal: headless.Terminal, row: number): Span[] {
  const line = terminal.buffer.active.getLine(row);
  const spans: Span[] = [];
  for (let column = 0; column < terminal.cols; column++) {
    const cell = line?.getCell(column);
    if (cell === undefined || cell.getWidth() === 0) continue;
    const look = {
      colour: cell.isFgPalette() ? cell.getFgColor() : undefined,
      bold: cell.isBold() !== 0,
      dim: cell.isDim() !== 0,
    };
    const text = cell.getChars() === '' ? ' ' : cell.getChars();
    const last = spans.at(-1);
    if (last !== undefined && last.colour === look.colour && last.bold === look.bold && last.dim === look.dim) {
      spans[spans.length - 1] = { ...last, text: last.text + text };
    } else {
      spans.push({ text, column, ...look });
    }
  }
  return spans;
}
