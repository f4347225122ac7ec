import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defaultServerConditions } from 'vite';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { LongestFirst } from './tests/support/longest-first.js';

// Node knows no `module`: what stands there is for bundlers, and does not always run.
const conditions = ['@ritmo/source', ...defaultServerConditions.filter((name) => name !== 'module')];
const cpus = availableParallelism();
const withDocker = 'tests/support/docker-daemon.ts';
const withBuilt = 'tests/support/build-packages.ts';
const withVmCache = 'tests/support/vm-cache.ts';
const dockerTests = 'packages/executor-docker/test/**/*.int.test.ts';
/** Kills daemons, and so needs one of its own. */
const dockerStorm = 'tests/faults/docker-storm.test.ts';

/** What cannot run here: nothing in CI, elsewhere what needs a Docker daemon that cannot be had. */
function cannotRun(): { readonly integration: string[]; readonly e2e: string[] } {
  const started =
    process.getuid?.() === 0 && ['/usr/bin/dockerd', '/usr/sbin/dockerd'].some((path) => existsSync(path));
  if (started || process.env['CI'] === 'true') return { integration: [], e2e: [] };
  const there = process.env['DOCKER_HOST'] !== undefined || existsSync('/var/run/docker.sock');
  const integration = there ? [] : [dockerTests];
  const names = [...integration, dockerStorm].join(' and ');
  const or = there ? '' : ', or DOCKER_HOST for the former';
  process.stderr.write(`Not run: ${names}. They need root and dockerd (apt-get install docker.io)${or}.\n`);
  return { integration, e2e: [dockerStorm] };
}

const left = cannotRun();
const podmanTests = 'packages/executor-docker/test/podman.int.test.ts';
if (process.env['CI'] !== 'true' && !(process.getuid?.() === 0 && existsSync('/usr/bin/podman'))) {
  left.integration.push(podmanTests);
  process.stderr.write(
    `Not run: ${podmanTests}. It needs root and Podman (apt-get install podman catatonit netavark).\n`,
  );
}
/** Need the S3 server that `npm test` gets (scripts/lib/s3-server.mjs). */
const signed = 'packages/artifacts-s3/test/signed.int.test.ts';
if (process.env['CI'] !== 'true' && !existsSync('node_modules/.cache/ritmo/weed')) {
  left.integration.push(signed);
  process.stderr.write(`Not run: ${signed}. It needs SeaweedFS, which \`npm test\` gets where it can.\n`);
}

/** A project that reads our packages from their sources, so that they need no build. */
function project(test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  return { resolve: { conditions }, ssr: { resolve: { conditions } }, test: { ...test, maxWorkers: cpus } };
}

/** One after the other: unit (pure and fast, in threads), then integration and e2e (real processes, in forks). */
export default defineConfig({
  test: {
    restoreMocks: true,
    unstubEnvs: true,
    retry: 0,
    allowOnly: false,
    sequence: { sequencer: LongestFirst },
    projects: [
      project({
        name: 'unit',
        include: ['packages/*/test/**/*.test.ts', 'tests/repo/**/*.test.ts'],
        exclude: ['**/*.int.test.ts', '**/node_modules/**'],
        pool: 'threads',
        // Far above what a test takes: a busy machine must not fail a property test.
        testTimeout: 30_000,
        sequence: { groupOrder: 0 },
      }),
      project({
        name: 'integration',
        include: ['packages/*/test/**/*.int.test.ts', 'tests/repo/**/*.int.test.ts'],
        exclude: ['**/node_modules/**', ...left.integration],
        globalSetup: [withDocker, withVmCache],
        pool: 'forks',
        testTimeout: 180_000,
        hookTimeout: 180_000,
        sequence: { groupOrder: 1 },
      }),
      project({
        name: 'e2e',
        include: ['tests/{e2e,faults,install,examples}/**/*.test.ts'],
        globalSetup: [withDocker, withVmCache, withBuilt],
        pool: 'forks',
        testTimeout: 240_000,
        hookTimeout: 240_000,
        sequence: { groupOrder: 2 },
      }),
    ],
  },
});
