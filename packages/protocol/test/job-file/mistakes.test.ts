import { describe, expect, test } from 'vitest';
import { formatProblems, parseJobFile } from '../../src/index.js';

function mistakes(text: string): string[] {
  const result = parseJobFile(text);
  return result.ok
    ? []
    : formatProblems(result.problems, 'job.yaml')
        .split('\n')
        .map((line) => line.trim());
}

const withSteps = (text: string) => `${text}\nname: x\nsteps: [{ run: "true" }]\n`;

describe('a job file with mistakes', () => {
  test('lists all of them at once, by line', () => {
    const text = `
nam: unit-tests
timeuot: 30m
timeout: 10 minutes
grace: 30
memory: 2GiB
limits: { memory: 512, pids: 1.5 }
env: { CI: true, 1a: x }
secrets: [A, A, { name: B, as: fil }]
image: { pull: [alway] }
steps:
  - name: Build
  - run: make
    when: allways
    dir: ../elsewhere
artifacts:
  - { name: report, paths: [/etc/passwd] }
  - { name: report, paths: ["x/**"] }
`;
    expect(mistakes(text)).toEqual([
      'job.yaml:2:1: name: is missing',
      'job.yaml:2:1: nam: there is no such key',
      'Did you mean `name`?',
      'job.yaml:3:1: timeuot: there is no such key',
      'Did you mean `timeout`?',
      'job.yaml:4:10: timeout: "10 minutes" is not a duration: write 90s, 30m, 1h30m, 24h or 30d',
      'job.yaml:5:8: grace: 30 has no unit: write 30s or 30m',
      'job.yaml:6:1: memory: there is no such key',
      '`memory` belongs under `limits` or under `services.limits`.',
      'job.yaml:7:19: limits.memory: 512 has no unit: write 512MiB or 512GiB',
      'job.yaml:7:30: limits.pids: must be a whole number, not 1.5',
      'job.yaml:8:12: env.CI: must be text, not true: put it in quotes, "true"',
      'job.yaml:8:18: env.1a: must be letters, digits and underscores, and not begin with a digit',
      'job.yaml:9:14: secrets[1].name: "A" is there twice',
      'job.yaml:9:32: secrets[2].as: must be env or file, not "fil"',
      'Did you mean `file`?',
      'job.yaml:10:8: image.reference: is missing',
      'job.yaml:10:17: image.pull[0]: must be always, if-not-present or never, not "alway"',
      'Did you mean `always`?',
      'job.yaml:12:5: steps[0].run: is missing',
      'job.yaml:14:11: steps[1].when: must be success, failure or always, not "allways"',
      'Did you mean `always`?',
      'job.yaml:15:10: steps[1].dir: must not contain `..`',
      'job.yaml:17:29: artifacts[0].paths[0]: must be relative to the workspace',
      'job.yaml:18:13: artifacts[1].name: "report" is there twice',
    ]);
  });

  test.each([
    ['', '1:1: is empty'],
    ['# nothing\n', '1:1: is empty'],
    ['[]', '1:1: must be a map, not a list'],
    ['"text"', '1:1: must be a map, not text'],
    ['name: x\nsteps:\n', '2:7: steps: must be a list, not empty'],
    ['name: x\nsteps: []\n', '2:8: steps: must not be empty'],
    ['name: [\n', '2:1: is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ['name: x\n\tsteps: y', '2:1: a tab indents here'],
    ['name: x\r\nsteps:\r\n  - run: 5\r\n', '3:10: steps[0].run: must be text, not 5: put it in quotes, "5"'],
    ['? [a]\n: b', '1:3: a key must be text'],
    [withSteps('version: 2'), '1:10: version: must be 1, not 2'],
    [withSteps('version: 1\nimage: 5'), '2:8: image: must be text or a map, not 5'],
    [withSteps('timeout: 0s'), '1:10: timeout: must be more than 0'],
    [withSteps('grace: 6m'), '1:8: grace: must be at most 5m'],
    [withSteps('secrets: [RITMO_TOKEN]'), '1:11: secrets[0]: RITMO_ is reserved'],
    [withSteps('source: { git: --upload-pack=x }'), '1:16: source.git: must not begin with `-`'],
    [
      withSteps('source: { git: "https://me:pw@example.org/x" }'),
      '1:16: source.git: must hold no user name or password: name a secret in `credentials`',
    ],
    [withSteps('source: { git: x, ref: ../x }'), '1:24: source.ref: is not a branch, tag or commit'],
    [
      withSteps('env: { "A\\0": x }'),
      '1:8: env["A\\u0000"]: must be letters, digits and underscores, and not begin with a digit',
    ],
    [withSteps('env: { A: "x\\0" }'), '1:11: env.A: a NUL byte is not allowed'],
    [withSteps('labels: { zone: "\\e[31mred" }'), '1:17: labels.zone: control characters are not allowed'],
    [withSteps('labels: { zone: "\\u202Eevil" }'), '1:17: labels.zone: control characters are not allowed'],
    [withSteps('labels: { zone: "\\u061Cevil" }'), '1:17: labels.zone: control characters are not allowed'],
  ])('%j is told where it is wrong', (text, problem) => {
    expect(mistakes(text)[0]).toBe(`job.yaml:${problem}`);
  });
});

describe('a hostile job file', () => {
  const laughs = Array.from({ length: 9 }, (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(9)}]`);

  test.each([
    ['a job of more than 1 MiB', `name: ${'x'.repeat(1024 * 1024)}`, '1:1: is larger than 1 MiB'],
    ['half a million brackets', '['.repeat(500_000), '1:35: is nested deeper than 32 levels'],
    ['half a million dashes', '- '.repeat(500_000), '1:68: is nested deeper than 32 levels'],
    ['half a million question marks', '? '.repeat(500_000), '1:68: is nested deeper than 32 levels'],
    ['an alias that holds itself', withSteps('a: &a [*a]'), '1:8: the alias *a holds itself'],
    ['an alias of nothing', withSteps('a: *a'), '1:4: the alias *a stands for nothing above it'],
    ['101 aliases', withSteps(`a: &a x\nb: [${'*a,'.repeat(101)}]`), '1:1: holds 101 aliases, more than 100'],
    [
      'aliases without end',
      withSteps(['l0: &l0 ha', ...laughs].join('\n')),
      '1:1: grows to more than 50000 values when its aliases are followed',
    ],
    ['a duplicate key', withSteps('name: first'), '2:1: the key "name" stands here a second time'],
    ['a duplicate key below', withSteps('env: { A: x, A: y }'), '1:14: the key "A" stands here a second time'],
    ['__proto__', withSteps('__proto__: { polluted: true }'), '1:1: the key __proto__ is not allowed'],
    [
      '__proto__ in JSON',
      '{"name":"x","env":{"__proto__":"y"},"steps":[{"run":"x"}]}',
      '1:20: the key __proto__ is not allowed',
    ],
    ['a merge key', withSteps('<<: { timeout: 1s }'), '1:1: merge keys (<<) are not allowed'],
    [
      'a merge key of YAML 1.1',
      `%YAML 1.1\n---\n${withSteps('env: { <<: { A: x } }')}`,
      '3:8: merge keys (<<) are not allowed',
    ],
    ['a tag of its own', withSteps('image: !exec rm'), '1:14: the tag !exec is not allowed'],
    ['a binary', withSteps('image: !!binary aGk='), '1:17: the tag tag:yaml.org,2002:binary is not allowed'],
    ['two documents', 'name: x\n---\nname: y\n', '2:1: holds more than one document'],
  ])('with %s is refused', (_what, text, problem) => {
    const found = mistakes(text);
    expect(found).toContain(`job.yaml:${problem}`);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  // Each looked for in the whole document took a quarter of an hour.
  test('of ten thousands of aliases is refused while one waits for it', () => {
    const found = mistakes(withSteps(`a: [${'*a, '.repeat(60_000)}]`));
    expect(found).toContain('job.yaml:1:1: holds 60000 aliases, more than 100');
  });

  test.each([
    ['keys', Array.from({ length: 20_000 }, (_, index) => `key-${index}: 1`).join('\n')],
    ['variables', `env:\n${Array.from({ length: 20_000 }, (_, index) => `  no-${index}: x`).join('\n')}`],
    ['keys that are there again', `env:\n${'  A: x\n'.repeat(20_000)}`],
  ])('of twenty thousand wrong %s is told a hundred of them, and that there are more', (_what, text) => {
    const found = mistakes(withSteps(text)).filter((line) => line.startsWith('job.yaml:'));
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toBe('job.yaml:1:1: has more mistakes than these 100');
  });

  test('does not hide its other mistakes', () => {
    expect(mistakes('name: x\nname: y\nsteps: [{ runn: x }]')).toEqual([
      'job.yaml:2:1: the key "name" stands here a second time',
      'job.yaml:3:9: steps[0].run: is missing',
      'job.yaml:3:11: steps[0].runn: there is no such key',
      'Did you mean `run`?',
    ]);
  });
});
