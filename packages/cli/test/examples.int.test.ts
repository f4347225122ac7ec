import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cli } from './support/cli.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const files = await readdir(join(root, 'examples', 'jobs'));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
  // The users of jobs walk through it.
  await chmod(folder, 0o711);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The command line and the exit code that the comment at the top of an example tells. */
async function told(file: string) {
  const text = await readFile(join(root, 'examples', 'jobs', file), 'utf8');
  const [, variables = '', line = ''] = /^# {3}((?:[A-Z_]+=\S+ )*)ritmo-agent (.+)$/m.exec(text) ?? [];
  const [, exitCode] = /^# Ends with (\d+)\.$/m.exec(text) ?? [];
  const env = Object.fromEntries(
    variables
      .split(' ')
      .filter(Boolean)
      .map((word) => word.split('=', 2) as [string, string]),
  );
  return { args: line.split(' '), env, exitCode: Number(exitCode) };
}

describe('the example', () => {
  test.each(files)('%s does what its comment tells', async (file) => {
    const { args, env, exitCode } = await told(file);
    expect(args.slice(0, 2)).toEqual(['exec', `examples/jobs/${file}`]);
    const variables = {
      ...env,
      RITMO_PROCESS_ISOLATION: 'bare',
      RITMO_STATE_DIR: join(folder, 'state'),
      RITMO_ARTIFACTS_DIR: join(folder, 'artifacts'),
    };
    const ended = await new Cli(args, variables, root).ended;
    expect(ended.exitCode, ended.stdout + ended.stderr).toBe(exitCode);
    for (const secret of Object.values(env)) expect(ended.stdout).not.toContain(secret);
  });
});
