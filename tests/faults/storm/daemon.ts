import { execFileSync } from 'node:child_process';
import { findDockerd, startDaemon, type TestDaemon } from '../../../packages/executor-docker/test/support/daemon.js';
import { busyboxImage, makeBusyboxImage } from '../../../packages/executor-docker/test/support/images.js';

/** What jobs of docker rounds run in. */
export const image = { reference: busyboxImage, pull: ['never' as const] };

/** A Docker daemon of the lab's own, which dies and comes back. */
export class LabDaemon implements AsyncDisposable {
  readonly #daemon: TestDaemon;

  private constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  static async start(): Promise<LabDaemon> {
    const dockerd = findDockerd();
    if (dockerd === undefined) throw new Error('rounds with docker need root and dockerd (apt-get install docker.io)');
    const daemon = new LabDaemon(await startDaemon(dockerd));
    await makeBusyboxImage(daemon.address);
    return daemon;
  }

  get address(): string {
    return `unix://${this.#daemon.socket}`;
  }

  kill(): Promise<void> {
    return this.#daemon.kill();
  }

  restart(): Promise<void> {
    return this.#daemon.restart();
  }

  /** Containers, volumes and networks of an installation, as the `docker` program tells. */
  holds(owner: string): readonly string[] {
    const label = `label=dev.ritmo.owner=${owner}`;
    return [
      ...this.#list('container', ['ps', '-aq', '--filter', label]),
      ...this.#list('volume', ['volume', 'ls', '-q', '--filter', label]),
      ...this.#list('network', ['network', 'ls', '--filter', label, '--format', '{{.Name}}']),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
  }

  #list(kind: string, args: readonly string[]): string[] {
    const text = execFileSync('docker', ['--host', this.address, ...args], { encoding: 'utf8' });
    return text.split('\n').flatMap((line) => (line === '' ? [] : [`${kind} ${line}`]));
  }
}
