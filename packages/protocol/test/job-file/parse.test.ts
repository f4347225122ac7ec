import { describe, expect, test } from 'vitest';
import { formatProblems, type Job, job, parseJobFile } from '../../src/index.js';

function parsed(text: string, name?: string): Job {
  const result = parseJobFile(text, name);
  if (!result.ok) throw new Error(formatProblems(result.problems, 'job.yaml'));
  return result.job;
}

describe('a good job file', () => {
  test('says durations and sizes in words, and is the job of the wire', () => {
    const text = `
name: unit-tests
isolation: docker
labels: { zone: us-west-1a }
image: node:22-bookworm
source: { git: https://example.org/acme/app.git, ref: main, depth: 1, credentials: GIT_TOKEN }
env: { CI: "true" }
secrets: [NPM_TOKEN, { name: SIGNING_KEY, as: file }]
network: isolated
limits: { cpus: 2, memory: 2GiB, disk: 10GB, pids: 512 }
timeout: 1h30m
grace: 10s
services:
  db: { image: "postgres:16", ready: { tcp: 5432, timeout: 30s } }
steps:
  - name: Test
    run: |
      npm test
      npm run report
    timeout: 10m
artifacts:
  - { name: coverage, paths: ["coverage/**"], when: always, expireIn: 30d }
`;
    const wire = job.parse({
      name: 'unit-tests',
      isolation: 'docker',
      labels: { zone: 'us-west-1a' },
      image: { reference: 'node:22-bookworm' },
      source: { git: 'https://example.org/acme/app.git', ref: 'main', depth: 1, credentials: 'GIT_TOKEN' },
      env: { CI: 'true' },
      secrets: [{ name: 'NPM_TOKEN' }, { name: 'SIGNING_KEY', as: 'file' }],
      network: 'isolated',
      limits: { cpus: 2, memory: 2_147_483_648, disk: 10_000_000_000, pids: 512 },
      timeout: 5_400_000,
      grace: 10_000,
      services: { db: { image: { reference: 'postgres:16' }, ready: { tcp: 5432, timeout: 30_000 } } },
      steps: [{ name: 'Test', run: 'npm test\nnpm run report\n', timeout: 600_000 }],
      artifacts: [{ name: 'coverage', paths: ['coverage/**'], when: 'always', expireIn: 2_592_000_000 }],
    });
    expect(parsed(text)).toEqual(wire);
  });

  test('may be JSON', () => {
    expect(parsed('{"name": "x", "timeout": "5m",\n\t"steps": [{"run": "true"}]}').timeout).toBe(300_000);
  });

  test('takes the name that it is given where it has none', () => {
    expect(parsed('steps: [{ run: "true" }]', 'hello').name).toBe('hello');
    expect(parsed('name: own\nsteps: [{ run: "true" }]', 'hello').name).toBe('own');
  });

  test('may use anchors and aliases', () => {
    const text = 'name: x\nsteps:\n  - run: a\n    env: &env { A: "1" }\n  - run: b\n    env: *env\n';
    expect(parsed(text).steps[1]?.env).toEqual({ A: '1' });
  });

  test('may give an anchor twice, and to a key: an alias stands for the last one above it', () => {
    const text =
      'name: x\nenv: { &key A: &value one, B: *value, C: &value two, D: *value, E: *key }\nsteps: [{ run: x }]';
    expect(parsed(text).env).toEqual({ A: 'one', B: 'one', C: 'two', D: 'two', E: 'A' });
  });

  test('reads `no` and `on` as text, whatever YAML version it claims', () => {
    expect(parsed('%YAML 1.1\n---\nname: no\nenv: { A: on }\nsteps: [{ run: x }]').env).toEqual({ A: 'on' });
  });
});
