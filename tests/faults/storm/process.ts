import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { programArgv } from '../../support/program-argv.js';

/** A program, with what it printed kept for those who ask why. */
export class LabProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #printed = '';
  #lines = 0;

  /** `file`: a program of this repository. RITMO_TEST_CLOCK in `env` sets its clocks. */
  constructor(file: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    const [program, ...argv] = programArgv(file, ...args);
    this.#child = spawn(program, argv, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    });
    this.#exit = once(this.#child, 'exit');
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lines += text.split('\n').length - 1;
      this.#printed = (this.#printed + text).slice(-200_000);
    });
  }

  get printed(): string {
    return this.#printed;
  }

  /** How many lines it has printed. */
  get lines(): number {
    return this.#lines;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The first match in what it prints; rejects when it ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#printed);
      if (match) return match;
      if (!this.running) throw new Error(`it ended with ${this.#child.exitCode}:\n${this.#printed}`);
      await Promise.race([this.#exit, once(this.#child.stderr as NodeJS.ReadableStream, 'data')]);
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Sends a signal and waits for the end; its exit code, or null where the signal killed it. */
  async end(signal: 'SIGTERM' | 'SIGUSR2' | 'SIGKILL'): Promise<number | null> {
    this.signal(signal);
    await this.#exit;
    return this.#child.exitCode;
  }
}
