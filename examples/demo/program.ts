import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../packages/cli/src/bin.ts', import.meta.url));
const ritmoAgent = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', bin];

/** `ritmo-agent` with some arguments, from the sources, in a process of its own. */
export class Program {
  readonly #child: ChildProcess;
  /** What it has printed so far. */
  text = '';
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [...ritmoAgent, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.ended = once(this.#child, 'close');
    const keep = (chunk: Buffer) => {
      this.text = (this.text + chunk.toString()).slice(-20_000);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
  }

  /** Runs one on the terminal of this process, or until `interrupted`; answers its exit code. */
  static async attached(args: readonly string[], interrupted: Promise<void>): Promise<number> {
    const child = spawn(process.execPath, [...ritmoAgent, ...args], { stdio: 'inherit' });
    void interrupted.then(() => child.kill('SIGTERM'));
    const [code] = (await once(child, 'close')) as [number | null];
    return code ?? 1;
  }

  /** Resolves with the first group of what it prints; rejects when it ends first. */
  async waitFor(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.text)?.[1];
      if (found !== undefined) return found;
      if (this.#child.exitCode !== null) throw new Error(this.text.trim());
      await Promise.race([
        once(this.#child.stdout ?? this.#child, 'data'),
        once(this.#child.stderr ?? this.#child, 'data'),
        this.ended,
      ]);
    }
  }

  /** Asks it to end, and waits until it has. `hurry`: a worker cancels its builds and does not wait for them. */
  async end(hurry = false): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      this.#child.kill('SIGTERM');
      // Another signal, since two of a kind may arrive as one.
      if (hurry) this.#child.kill('SIGINT');
    }
    await this.ended;
  }
}
