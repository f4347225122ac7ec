import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { findProgram } from '../process/find-program.js';
import { isRunning, readProcess } from '../process/table.js';
import { asksForNames, nameServers } from './name-servers.js';

/**
 * A rule of the host's own packet filter: what processes of certain users send to an address of this host is
 * rejected, whichever addresses it has by then. Root only.
 */
export class LocalRule implements AsyncDisposable {
  readonly #nft: string;
  readonly #table: string;

  private constructor(nft: string, table: string) {
    this.#nft = nft;
    this.#table = table;
  }

  /** Puts the rule, for nobody yet, and takes away those of processes that have died; undefined where it cannot be had. */
  static async open(): Promise<LocalRule | undefined> {
    const nft = findProgram('nft', `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`);
    if (process.getuid?.() !== 0 || nft === undefined) return undefined;
    const startTime = readProcess(process.pid)?.startTime ?? 0;
    const rule = new LocalRule(nft, `inet ritmo-${process.pid}-${startTime}-${randomBytes(4).toString('hex')}`);
    try {
      await rule.#removeDead();
      await rule.#run(
        [
          `table ${rule.#table} {`,
          '  set users { typeof meta skuid; }',
          '  chain output {',
          '    type filter hook output priority 0; policy accept;',
          // slirp4netns asks them for the job, a stub on loopback too.
          ...nameServers().map((address) => `    ${asksForNames(address)} accept`),
          '    meta skuid @users fib daddr type { local, broadcast } reject',
          '  }',
          '}',
        ].join('\n'),
      );
      return rule;
    } catch {
      return undefined;
    }
  }

  async add(uid: number): Promise<void> {
    await this.#run(`add element ${this.#table} users { ${uid} }`);
  }

  async remove(uid: number): Promise<void> {
    await this.#run(`delete element ${this.#table} users { ${uid} }`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run(`delete table ${this.#table}`).catch(() => undefined);
  }

  async #removeDead(): Promise<void> {
    const { stdout } = await promisify(execFile)(this.#nft, ['list', 'tables'], { timeout: 10_000 });
    for (const [, name, pid, startTime] of stdout.matchAll(/^table inet (ritmo-(\d+)-(\d+)-[\da-f]+)$/gm)) {
      if (isRunning({ pid: Number(pid), startTime: Number(startTime) })) continue;
      await this.#run(`delete table inet ${name}`);
    }
  }

  async #run(text: string): Promise<void> {
    const run = promisify(execFile)(this.#nft, ['-f', '-'], { timeout: 10_000 });
    run.child.stdin?.end(`${text}\n`);
    await run;
  }
}
