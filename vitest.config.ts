import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { defaultServerConditions } from 'vite';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

// Node knows no `module`: what stands there is for bundlers, and does not always run.
const conditions = ['@ritmo/source', ...defaultServerConditions.filter((name) => name !== 'module')];
const cpus = availableParallelism();
const withDocker = 'tests/support/docker-daemon.ts';
const withVmCache = 'tests/support/vm-cache.ts';
const dockerTests = 'packages/executor-docker/test/**/*.int.test.ts';

/** What cannot run here: nothing in CI, elsewhere what needs a Docker daemon that cannot be had. */
function cannotRun(): string[] {
  const started =
    process.getuid?.() === 0 && ['/usr/bin/dockerd', '/usr/sbin/dockerd'].some((path) => existsSync(path));
  const there = process.env['DOCKER_HOST'] !== undefined || existsSync('/var/run/docker.sock');
  if (started || there || process.env['CI'] === 'true') return [];
  process.stderr.write(
    `Not run: ${dockerTests}. They need root and dockerd (apt-get install docker.io), or DOCKER_HOST.\n`,
  );
  return [dockerTests];
}

/** A project that reads our packages from their sources, so that no test needs a build. */
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
        exclude: ['**/node_modules/**', ...cannotRun()],
        globalSetup: [withDocker, withVmCache],
        pool: 'forks',
        testTimeout: 180_000,
        hookTimeout: 180_000,
        sequence: { groupOrder: 1 },
      }),
      project({
        name: 'e2e',
        include: ['tests/{e2e,faults,install,examples}/**/*.test.ts'],
        pool: 'forks',
        testTimeout: 240_000,
        hookTimeout: 240_000,
        sequence: { groupOrder: 2 },
      }),
    ],
  },
});
