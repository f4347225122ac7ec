import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../../../tests/support/free-port.js';
import type { S3Options } from '../../src/index.js';

/** Where the set-up of the tests puts it (scripts/lib/s3-server.mjs). */
export const weedPath = fileURLToPath(new URL('../../../../node_modules/.cache/ritmo/weed', import.meta.url));

const credentials = { accessKeyId: 'ritmo-test', secretAccessKey: 'a secret/of+signs=&that need care' };
const roles = ['master', 'volume', 'filer', 's3'] as const;

/** SeaweedFS on loopback: an S3 server that checks signatures, with a bucket `builds`. */
export class SeaweedFs implements AsyncDisposable {
  readonly options: S3Options;
  readonly #files: readonly string[];
  readonly #process: ReturnType<typeof spawn>;

  /** `files` are removed at the end. */
  private constructor(options: S3Options, files: readonly string[], process: ReturnType<typeof spawn>) {
    this.options = options;
    this.#files = files;
    this.#process = process;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Has room for so many volumes of 64 MB. */
  static async start(volumes = 20): Promise<SeaweedFs> {
    const directory = await mkdtemp(join(tmpdir(), 'ritmo-weed-'));
    const ports = await Promise.all(Array.from({ length: roles.length * 2 }, () => freePort()));
    const config = join(directory, 's3.json');
    const { accessKeyId: accessKey, secretAccessKey: secretKey } = credentials;
    const identity = { name: 'ritmo', credentials: [{ accessKey, secretKey }], actions: ['Admin'] };
    await writeFile(config, JSON.stringify({ identities: [identity] }), { mode: 0o600 });
    const flags = roles.flatMap((role, at) => [
      `-${role}.port=${ports[at * 2]}`,
      `-${role}.port.grpc=${ports[at * 2 + 1]}`,
    ]);
    const fixed = [
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      '-filer',
      '-s3',
      `-s3.config=${config}`,
      `-volume.max=${volumes}`,
      // These have fixed ports by default: two servers could not run at once.
      '-s3.port.iceberg=0',
      '-s3.port.lance=0',
      ...['filer', 's3'].map((role) => `-${role}.localSocket=${join(directory, role)}.sock`),
    ];
    const argv = ['-logtostderr', 'server', `-dir=${directory}`, ...fixed, ...flags, '-master.volumeSizeLimitMB=64'];
    const weed = spawn(weedPath, argv, { stdio: 'ignore', cwd: directory });
    const options = { bucket: 'builds', endpoint: `http://127.0.0.1:${ports[6]}`, credentials };
    // Where these lie cannot be chosen.
    const sockets = roles.map((role, at) => `/tmp/seaweedfs-${role}-grpc-${ports[at * 2 + 1]}.sock`);
    const server = new SeaweedFs(options, [directory, ...sockets], weed);
    try {
      await Promise.race([
        server.#ready(),
        once(weed, 'exit').then(([code]) => Promise.reject(new Error(`weed ended with ${String(code)}`))),
      ]);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    for (const file of this.#files) await rm(file, { recursive: true, force: true });
  }

  /** Its parts find each other one after the other; the bucket can be made once all have. */
  async #ready(): Promise<void> {
    const { endpoint = '' } = this.options;
    const client = new S3Client({
      endpoint,
      credentials: { ...credentials },
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
    });
    try {
      for (;;) {
        const made = await client.send(new CreateBucketCommand({ Bucket: 'builds' })).then(
          () => true,
          () => false,
        );
        if (made) return;
        await delay(50);
      }
    } finally {
      client.destroy();
    }
  }
}
