import { RitmoError } from '../../errors.js';
import type { Clock } from '../../executor/host.js';
import type { StepScope, WorkspaceVolume } from '../../executor/sandbox.js';
import { gitError } from './git-error.js';
import { GitOutput } from './git-output.js';
import { type GitSetup, scripts } from './git-setup.js';

export interface GitOptions {
  readonly volume: WorkspaceVolume;
  readonly scope: StepScope;
  readonly setup: GitSetup;
  readonly clock: Clock;
  readonly readOnlyPaths: readonly string[];
}

export interface GitRun {
  readonly env?: Readonly<Record<string, string>>;
  /** Tries again after a failure of the network. */
  readonly repeat?: boolean;
  /** Keeps its output out of the log, or its stdout alone. */
  readonly hide?: 'all' | 'stdout';
  /** Runs this instead of the command alone. */
  readonly script?: keyof typeof scripts;
}

/** Waits before a repeat, in milliseconds. */
const pausesMs = [1000, 4000];

/** The system's git in a workspace, as the workspace's owner and with nothing of the host's configuration. */
export class Git {
  readonly #options: GitOptions;

  constructor(options: GitOptions) {
    this.#options = options;
  }

  /** Runs a command to its good end; answers its stdout. */
  async run(command: string, args: readonly string[], how: GitRun = {}): Promise<string> {
    const pauses = how.repeat === true ? [...pausesMs] : [];
    for (;;) {
      const { stdout, error } = await this.#try(command, args, how);
      if (error === undefined) return stdout;
      const pause = error.code === 'RITMO_SOURCE_FAILED' && error.retryable ? pauses.shift() : undefined;
      if (pause === undefined) throw error;
      await this.#options.scope.output.write('stderr', Buffer.from(`${error.message}; trying again\n`));
      await this.#pause(pause);
    }
  }

  /** Whether the refs of a fetch were there; other failures reject. */
  async fetched(args: readonly string[]): Promise<boolean> {
    try {
      await this.run('fetch', ['--progress', '--force', '--no-recurse-submodules', ...args], { repeat: true });
      return true;
    } catch (error) {
      if (error instanceof RitmoError && error.code === 'RITMO_SOURCE_REF') return false;
      throw error;
    }
  }

  /** The full hash of a commit that begins so; nothing where there is none, or more than one. */
  async find(hash: string): Promise<string | undefined> {
    const { stdout, error } = await this.#try('rev-parse', ['--verify', '--quiet', `${hash}^{commit}`], {
      hide: 'all',
    });
    return error === undefined ? checkedHash(stdout) : undefined;
  }

  /** Makes an empty repository with its remote. */
  async init(url: string, options: readonly string[]): Promise<void> {
    await this.run('init', [url, ...options], { script: 'init' });
  }

  /** Checks out a revision; answers the full hash of the commit. */
  async checkout(revision: string): Promise<string> {
    return checkedHash(await this.run('checkout', [revision], { script: 'checkout', hide: 'stdout' }));
  }

  async #try(
    command: string,
    args: readonly string[],
    how: GitRun,
  ): Promise<{ stdout: string; error: RitmoError | undefined }> {
    const { volume, scope, setup, clock, readOnlyPaths } = this.#options;
    const { script = 'git', hide } = how;
    const shown = hide === undefined ? ['stdout', 'stderr'] : hide === 'stdout' ? ['stderr'] : [];
    const output = new GitOutput(scope.output, shown, () => clock.monotonic());
    const exit = await volume.runTool(
      {
        argv: ['sh', '-c', scripts[script], 'git', ...(script === 'git' ? [command] : []), ...args],
        env: { ...setup.env, ...how.env },
        files: setup.files,
        ...(readOnlyPaths.length === 0 ? {} : { readOnlyPaths }),
      },
      { ...scope, output },
    );
    return { stdout: output.stdout, error: gitError(command, exit, output.stderr) };
  }

  async #pause(ms: number): Promise<void> {
    const { clock, scope } = this.#options;
    await clock.sleep(ms, scope.signal).catch(() => {
      throw new RitmoError('RITMO_CANCELLED', 'The checkout was stopped.');
    });
  }
}

function checkedHash(text: string): string {
  const hash = text.trim();
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(hash))
    throw new RitmoError('RITMO_SOURCE_FAILED', 'git named no commit.');
  return hash;
}
