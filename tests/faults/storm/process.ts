import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../support/workspace.js';

const tsx = fileURLToPath(import.meta.resolve('tsx'));
const bin = join(root, 'packages', 'cli', 'src', 'bin.ts');

/** `ritmo-agent` from its sources, with what it printed kept for those who ask why. */
export class AgentProcess {
  readonly #child: ChildProcess;
  readonly #exit: Promise<unknown>;
  #printed = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, ['--import', tsx, '--conditions=@ritmo/source', bin, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    });
    this.#exit = once(this.#child, 'exit');
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#printed = (this.#printed + text).slice(-200_000);
    });
  }

  get printed(): string {
    return this.#printed;
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

  /** Sends a signal and waits for the end; its exit code, or null where the signal killed it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.running) this.#child.kill(signal);
    await this.#exit;
    return this.#child.exitCode;
  }
}
