import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { formatDuration, formatProblems, formatSize, type Job, job, parseJobFile } from '../../src/index.js';

const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,8}$/);
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((value) => !/[\p{C}\p{Z}]/u.test(value));
const value = fc.string({ unit: 'binary', maxLength: 40 }).filter((content) => !content.includes('\0'));
const script = value.filter((content) => content !== '');
const env = fc.dictionary(word, value, { maxKeys: 3 });
const duration = fc.integer({ min: 1, max: 10 ** 11 });
const size = fc.integer({ min: 1, max: 2 ** 45 });
const paths = fc.uniqueArray(word, { minLength: 1, maxLength: 3 });
const limits = fc.record(
  { cpus: fc.integer({ min: 1, max: 64 }), memory: size, disk: size, tmp: size, shm: size },
  { requiredKeys: [] },
);

const anyJob = fc.record(
  {
    name: text,
    isolation: word,
    labels: fc.dictionary(word, text, { maxKeys: 3 }),
    image: fc.record({ reference: text }),
    env,
    secrets: fc.uniqueArray(fc.record({ name: word, as: fc.constantFrom('env', 'file') }), {
      selector: (secret) => secret.name,
    }),
    network: fc.constantFrom('isolated', 'none', 'host'),
    limits,
    timeout: duration,
    grace: fc.integer({ min: 1, max: 300_000 }),
    services: fc.dictionary(
      word,
      fc.record({ image: fc.record({ reference: text }), ready: fc.record({ timeout: duration }) }),
      { maxKeys: 2 },
    ),
    steps: fc.array(
      fc.record(
        {
          name: text,
          run: script,
          env,
          timeout: duration,
          when: fc.constantFrom('success', 'failure', 'always'),
          continueOnError: fc.boolean(),
        },
        { requiredKeys: ['run'] },
      ),
      { minLength: 1, maxLength: 4 },
    ),
    artifacts: fc.uniqueArray(
      fc.record({ name: word, paths, expireIn: duration }, { requiredKeys: ['name', 'paths'] }),
      {
        selector: (artifact) => artifact.name,
        maxLength: 3,
      },
    ),
  },
  { requiredKeys: ['name', 'steps'] },
);

/** The job as a person would write it: its durations and sizes as words. */
function inWords(wire: Job): unknown {
  const timed = ['timeout', 'grace', 'expireIn'];
  const sized = ['memory', 'disk', 'tmp', 'shm'];
  const replacer = (key: string, inner: unknown): unknown => {
    if (typeof inner !== 'number') return inner;
    if (timed.includes(key)) return formatDuration(inner);
    return sized.includes(key) ? formatSize(inner) : inner;
  };
  return JSON.parse(JSON.stringify(wire, replacer));
}

test.each([
  ['YAML', (content: unknown) => stringify(content, { aliasDuplicateObjects: false })],
  ['JSON', (content: unknown) => JSON.stringify(content, null, 2)],
])('a job written as %s in words is read as the same job', (_format, write) => {
  fc.assert(
    fc.property(
      anyJob.map((input) => job.parse(input)),
      (wire) => {
        const result = parseJobFile(write(inWords(wire)));
        expect(result.ok ? result.job : formatProblems(result.problems, 'job.yaml')).toEqual(wire);
      },
    ),
    { numRuns: 200 },
  );
});
