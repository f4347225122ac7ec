import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program as a process of its own, from its sources. Of the environment it has PATH and what it is given. */
export class Cli {
  /** Resolves when it has ended and all that it printed was read. */
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #text = { stdout: '', stderr: '' };

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = process.cwd()) {
    const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', bin, ...args];
    this.#child = spawn(process.execPath, node, {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...env },
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const from of ['stdout', 'stderr'] as const) {
      this.#child[from]?.setEncoding('utf8').on('data', (text: string) => {
        this.#text[from] += text;
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (exitCode) => resolve({ exitCode, ...this.#text }));
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes the reading end of its output, as `head` does. */
  stopReading(): void {
    this.#child.stdout?.destroy();
  }

  /** Ends it in good order, and by force where that takes too long. */
  async stop(): Promise<void> {
    this.kill('SIGTERM');
    const force = setTimeout(() => this.kill('SIGKILL'), 10_000);
    await this.ended.finally(() => clearTimeout(force));
  }

  /** The first line that holds some words, as soon as it was printed. */
  async line(from: 'stdout' | 'stderr', words: string): Promise<string> {
    const found = () => this.#text[from].split('\n').find((line) => line.includes(words));
    for (;;) {
      const line = found();
      if (line !== undefined) return line;
      const ended = await Promise.race([this.ended, this.#printed(from)]);
      if (ended === undefined || found() !== undefined) continue;
      throw new Error(
        `It ended with ${ended.exitCode} without ${JSON.stringify(words)}:\n${ended.stdout}\n${ended.stderr}`,
      );
    }
  }

  #printed(from: 'stdout' | 'stderr'): Promise<undefined> {
    return new Promise((resolve) => this.#child[from]?.once('data', () => resolve(undefined)));
  }
}

/** Runs it to its end. */
export function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Cli(args, env).ended;
}
