import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const source = { resolve: { conditions: ['@ritmo/source', ...defaultServerConditions] } };
const ssr = { resolve: { conditions: ['@ritmo/source', ...defaultServerConditions] } };

/** unit: pure and fast, in threads. integration and e2e: real processes, so one fork a CPU and longer limits. */
export default defineConfig({
  test: {
    restoreMocks: true,
    unstubEnvs: true,
    retry: 0,
    projects: [
      {
        ...source,
        ssr,
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'tests/repo/**/*.test.ts'],
          exclude: ['**/*.int.test.ts', '**/node_modules/**'],
          pool: 'threads',
        },
      },
      {
        ...source,
        ssr,
        test: {
          name: 'integration',
          include: ['packages/*/test/**/*.int.test.ts'],
          pool: 'forks',
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        ...source,
        ssr,
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts', 'tests/faults/**/*.test.ts'],
          pool: 'forks',
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
    ],
  },
});
