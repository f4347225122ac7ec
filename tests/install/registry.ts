import { execa } from 'execa';
import { writeFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runServer } from 'verdaccio';
import { root } from '../support/workspace.js';

/** A registry on this machine that has our packages as they would be published, and gets all others where npm gets them. */
export interface Registry extends AsyncDisposable {
  /** Ends in a slash. */
  readonly url: string;
}

/** Builds and publishes every package of ours into a registry below `folder`. */
export async function publishedPackages(folder: string): Promise<Registry> {
  const registry = await startRegistry(folder);
  try {
    await execa(join(root, 'node_modules', '.bin', 'turbo'), ['run', 'build', '--output-logs=errors-only'], {
      cwd: root,
      env: { TURBO_TELEMETRY_DISABLED: '1', TMPDIR: folder },
    });
    // npm publishes with some token only; this registry lets everybody.
    const settings = join(folder, 'npmrc');
    await writeFile(settings, `${registry.url.replace(/^http:/, '')}:_authToken=any\n`);
    await execa(
      join(root, 'node_modules', '.bin', 'pnpm'),
      ['--recursive', '--filter', './packages/*', 'publish', '--no-git-checks', '--registry', registry.url],
      { cwd: root, env: { npm_config_userconfig: settings, TMPDIR: folder } },
    );
    return registry;
  } catch (error) {
    await registry[Symbol.asyncDispose]();
    throw error;
  }
}

async function startRegistry(folder: string): Promise<Registry> {
  const { stdout: upstream } = await execa('npm', ['config', 'get', 'registry'], { cwd: root });
  const settings: object = {
    storage: join(folder, 'storage'),
    // Where verdaccio looks for paths that are not absolute.
    self_path: folder,
    configPath: join(folder, 'config.yaml'),
    uplinks: { upstream: { url: upstream, maxage: '60m', timeout: '60s', max_fails: 100 } },
    packages: {
      '@ritmo/*': { access: '$all', publish: '$all', unpublish: '$all' },
      '**': { access: '$all', proxy: 'upstream' },
    },
    auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: -1 } },
    max_body_size: '100mb',
    web: { enable: false },
    log: { type: 'stdout', format: 'json', level: 'fatal' },
    security: { api: { legacy: true } },
  };
  const app = (await runServer(settings as Parameters<typeof runServer>[0])) as Server;
  await new Promise<void>((resolve, reject) => {
    app.once('error', reject);
    app.listen(0, '127.0.0.1', resolve);
  });
  const { port } = app.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      app.closeAllConnections();
      await new Promise<void>((resolve) => void app.close(() => resolve()));
    },
  };
}
