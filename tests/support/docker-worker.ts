import { answers } from '../../packages/executor-docker/test/support/daemon.js';
import { busyboxImage, makeBusyboxImage } from '../../packages/executor-docker/test/support/images.js';
import { Witness } from '../../packages/executor-docker/test/support/witness.js';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readyWorker, stateFolder, type TestServer } from './cluster.js';
import type { Program } from './program.js';

/** A Docker daemon that has an image for builds. */
export interface DockerLab {
  /** As DOCKER_HOST names it. */
  readonly address: string;
  readonly image: string;
}

/** The daemon that DOCKER_HOST names or that listens at its usual place: docker-daemon.ts starts one for the whole run. */
export async function dockerLab(): Promise<DockerLab> {
  const address = process.env['DOCKER_HOST'] ?? ((await answers('/var/run/docker.sock')) ? usual : undefined);
  if (address === undefined) throw new Error('this test needs DOCKER_HOST, or root and dockerd (apt: docker.io)');
  await makeBusyboxImage(address);
  return { address, image: busyboxImage };
}

const usual = 'unix:///var/run/docker.sock';

/**
 * Prints numbered lines until there is a file `enough` in the workspace, then their number to stderr. A word stands before
 * the number: what comes first on a stream after a kill is hidden where it could be the rest of a secret, and a digit could.
 */
export const countingScript =
  'i=0; until [ -e enough ]; do i=$((i + 1)); echo "line $i of the step"; done; echo "printed $i lines" >&2';
export const countedLine = (number: number) => `line ${number} of the step`;

/** A worker with Docker isolation that can be killed and started again, as often as a test wants. */
export class MortalWorker {
  readonly stateDir: string;
  readonly #start: () => Promise<Program>;
  #program: Program;

  private constructor(stateDir: string, start: () => Promise<Program>, program: Program) {
    this.stateDir = stateDir;
    this.#start = start;
    this.#program = program;
  }

  static async start(
    server: Pick<TestServer, 'url' | 'registrationTokenFile'>,
    lab: DockerLab,
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<MortalWorker> {
    const stateDir = await stateFolder();
    const start = () =>
      readyWorker(server, {
        ...{ stateDir, isolation: 'docker', env: { ...env, DOCKER_HOST: lab.address } },
        flags: ['--name', 'mortal', ...flags],
      });
    return new MortalWorker(stateDir, start, await start());
  }

  /** The agent that runs now. */
  get program(): Program {
    return this.#program;
  }

  /** Kills the agent by SIGKILL and starts the next one, which goes on with its build when this resolves. */
  async killAndRestart(): Promise<void> {
    this.#program.kill('SIGKILL');
    await this.#program.ended;
    await this.restart();
    await this.#program.stderr.waitFor(/a build of the agent before goes on/);
  }

  /** Starts the next agent after one that has ended. */
  async restart(): Promise<void> {
    this.#program = await this.#start();
  }

  /** Makes an empty file in the workspace of the build that runs: what its step may wait for. */
  async touch(name: string): Promise<void> {
    const sandboxes = join(this.stateDir, 'executors', 'docker', 'sandboxes');
    for (const id of await readdir(sandboxes)) await writeFile(join(sandboxes, id, 'disk', 'workspace', name), '');
  }

  /** Drains the agent; resolves with its exit code. */
  async drain(): Promise<number | undefined> {
    this.#program.kill('SIGTERM');
    return (await this.#program.ended).exitCode;
  }

  /** What is left of its builds in the daemon and on this host: containers, networks, rules, folders, mounts. */
  async residue(lab: DockerLab): Promise<readonly string[]> {
    const owner = (await readFile(join(this.stateDir, 'owner-id'), 'utf8')).trim();
    return new Witness(lab.address).residue(owner, join(this.stateDir, 'executors', 'docker'));
  }
}
