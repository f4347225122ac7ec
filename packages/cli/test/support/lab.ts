import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../../tests/support/free-port.js';
import { Cli, cli } from './cli.js';

/** A folder with an API server and workers in it, all of them programs of their own. */
export class Lab implements AsyncDisposable {
  readonly folder: string;
  readonly #children = new Set<Cli>();
  readonly #port: number;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.#port = port;
  }

  static async open(): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
    // The users of jobs walk through it.
    await chmod(folder, 0o711);
    return new Lab(folder, await freePort());
  }

  get env(): Readonly<Record<string, string>> {
    return { RITMO_DATA_DIR: join(this.folder, 'data'), RITMO_API_SERVER: `127.0.0.1:${this.#port}` };
  }

  /** Starts the API server, always on the same port. */
  async startServer(): Promise<Cli> {
    const server = this.#start(['api-server', '--host', '127.0.0.1', '--port', String(this.#port)]);
    await server.line('stderr', 'the API server listens on');
    return server;
  }

  /** Starts a worker of the bare level with a state directory of its own, and waits until it takes jobs. */
  async startWorker(name: string, args: readonly string[] = []): Promise<Cli> {
    const worker = this.#start([...this.workerArgs(name), '--name', name, ...args]);
    await worker.line('stderr', 'the worker takes jobs');
    return worker;
  }

  workerArgs(name: string): readonly string[] {
    return ['--isolation', 'process', '--process-isolation', 'bare', '--state-dir', join(this.folder, name)];
  }

  run(...args: readonly string[]) {
    return cli(args, this.env);
  }

  /** Starts a command that goes on. */
  start(...args: readonly string[]): Cli {
    return this.#start(args);
  }

  /** Starts a command that goes on, with more in its environment. */
  startWith(env: Readonly<Record<string, string>>, ...args: readonly string[]): Cli {
    return this.#start(args, env);
  }

  async jobFile(name: string, text: string): Promise<string> {
    const path = join(this.folder, `${name}.yaml`);
    await writeFile(path, text);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#children].map((child) => child.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  #start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Cli {
    const child = new Cli(args, { ...this.env, ...env });
    this.#children.add(child);
    return child;
  }
}
