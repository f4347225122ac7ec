import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const user = { username: 'builder', password: 'let-me-in' };

/** A registry on loopback; with `auth` it gives nothing to anybody else than `user`. */
export class Registry implements AsyncDisposable {
  readonly address: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(address: string, folder: string, process: ChildProcess) {
    this.address = address;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(auth: boolean): Promise<Registry> {
    const folder = await mkdtemp(join(tmpdir(), 'ritmo-registry-'));
    if (auth) {
      const { stdout } = await run('htpasswd', ['-Bbn', user.username, user.password]);
      await writeFile(join(folder, 'htpasswd'), stdout);
    }
    const address = `127.0.0.1:${await freePort()}`;
    const config = {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
      http: { addr: address },
      ...(auth ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
    };
    await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
    const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
    const registry = new Registry(address, folder, child);
    while (!(await registry.#answers())) {
      if (child.exitCode !== null) throw new Error('docker-registry did not start');
      await sleep(20);
    }
    return registry;
  }

  /** Pushes a local image under a name of this registry; resolves with its digest. */
  async push(image: string, name: string): Promise<string> {
    const reference = `${this.address}/${name}`;
    const config = join(this.#folder, 'docker');
    await run('/usr/bin/docker', ['tag', image, reference]);
    const auths = { [this.address]: { auth: Buffer.from(`${user.username}:${user.password}`).toString('base64') } };
    await run('mkdir', ['-p', config]);
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths }));
    try {
      const { stdout } = await run('/usr/bin/docker', ['--config', config, 'push', reference]);
      return /digest: (sha256:[0-9a-f]{64})/.exec(stdout)?.[1] ?? '';
    } finally {
      await this.forget(name);
    }
  }

  /** Takes the image away from the daemon. */
  async forget(name: string): Promise<void> {
    await run('/usr/bin/docker', ['rmi', `${this.address}/${name}`]).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    return await fetch(`http://${this.address}/v2/`).then(
      () => true,
      () => false,
    );
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
