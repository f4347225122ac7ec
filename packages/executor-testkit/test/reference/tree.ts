import { killMarked, marked, signalProcess } from './processes.js';

/** A process and all that came of it: its group, and whoever carries the mark. */
export class Tree {
  readonly pid: number;
  readonly mark: string;

  constructor(pid: number, mark: string) {
    this.pid = pid;
    this.mark = mark;
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    // In the moment of an exec a process shows no environment: the main one is known without.
    const others = (await marked(this.mark)).filter(({ pid }) => pid !== this.pid);
    for (const pid of [this.pid, ...others.map((other) => other.pid)]) signalProcess(pid, signal);
  }

  /** Kills what is left, and gives the number of those that were found. */
  async end(_why: 'exit' | 'cancel'): Promise<number> {
    signalProcess(-this.pid, 'SIGKILL');
    return killMarked(this.mark);
  }
}
