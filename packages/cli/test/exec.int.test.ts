import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cli, cli } from './support/cli.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
  // The users of jobs walk through it.
  await chmod(folder, 0o711);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// The bare level, which every machine has: what confines builds is tested with its executor.
const bare = ['--isolation', 'process', '--process-isolation', 'bare'];

async function jobFile(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const run = (path: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
  cli(
    [
      'exec',
      path,
      ...bare,
      '--state-dir',
      join(folder, 'state'),
      '--artifacts-dir',
      join(folder, 'artifacts'),
      ...args,
    ],
    env,
  );

describe('ritmo-agent exec', () => {
  test('runs a job, shows its log, stores its artifacts and ends with 0', async () => {
    const path = await jobFile(
      'good.yaml',
      'steps:\n  - { name: Hello, run: "echo hi > out.txt; echo done" }\nartifacts: [{ name: out, paths: [out.txt] }]\n',
    );
    const { exitCode, stdout } = await run(path);
    expect(stdout).toMatch(/00:\d\d ▸ Hello  echo hi > out\.txt; echo done\ndone\n00:\d\d ✓ Hello [\d.]+ m?s\n/);
    expect(stdout).toMatch(/\nsucceeded in [\d.]+ m?s\n$/);
    expect(exitCode).toBe(0);
    const [job = ''] = await readdir(join(folder, 'artifacts'));
    expect(await readFile(join(folder, 'artifacts', job, 'out', 'out.txt'), 'utf8')).toBe('hi\n');
  });

  test('ends as the job does, and says why in its last line', async () => {
    const failing = await jobFile(
      'failing.yaml',
      'steps:\n  - { name: Test, run: exit 3 }\n  - { name: Never, run: echo never }\n',
    );
    const failed = await run(failing);
    expect(failed.exitCode).toBe(1);
    expect(failed.stdout).toMatch(/\nfailed: step "Test" exited with 3 after [\d.]+ m?s\n$/);
    expect(failed.stdout).not.toContain('▸ Never');
    const slow = await jobFile('slow.yaml', 'timeout: 300ms\ngrace: 100ms\nsteps:\n  - { run: sleep 60 }\n');
    const timedOut = await run(slow);
    expect(timedOut.exitCode).toBe(124);
    expect(timedOut.stdout).toMatch(/\ntimed out: .+ \(RITMO_JOB_TIMEOUT\)\nhint: .+\n$/);
  });

  test('prints raw records with --json', async () => {
    const path = await jobFile('json.yaml', 'steps: [{ run: "echo hi" }]\n');
    const { stdout } = await run(path, ['--json']);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { k: string; m?: string });
    expect(records[0]?.k).toBe('log');
    expect(
      records
        .filter(({ k }) => k === 'out')
        .map(({ m }) => m)
        .join(''),
    ).toBe('hi\n');
  });

  test('gives secrets to the job and to nobody who reads the log', async () => {
    const path = await jobFile(
      'secret.yaml',
      'secrets: [API_KEY]\nsteps: [{ run: "echo key=$API_KEY ${#API_KEY}" }]\n',
    );
    const { exitCode, stdout } = await run(path, ['--secret', 'API_KEY'], { API_KEY: 'hunter2hunter2' });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('key=*** 14');
    expect(stdout).not.toContain('hunter2');
    const without = await run(path);
    expect(without.exitCode).toBe(2);
    expect(without.stderr).toContain('The job needs secrets that were not given: API_KEY. (RITMO_SECRET_MISSING)');
  });

  test('cancels the job at the first signal', async () => {
    const path = await jobFile(
      'wait.yaml',
      "grace: 1s\nsteps:\n  - { name: Wait, run: echo rea''dy; sleep 60 }\n  - { name: Clean, run: echo cleaned, when: always }\n",
    );
    const child = new Cli(['exec', path, ...bare, '--state-dir', join(folder, 'state')]);
    await child.line('stdout', 'ready');
    child.kill('SIGINT');
    const { exitCode, stdout } = await child.ended;
    expect(stdout).toContain('cleaned');
    expect(stdout).toMatch(/\ncancelled: .+\n$/);
    expect(exitCode).toBe(130);
  });

  test('ends and cleans up when nobody reads its output any more', async () => {
    const path = await jobFile(
      'endless.yaml',
      'grace: 1s\nsteps: [{ run: "while :; do echo tick; sleep 0.05; done" }]\n',
    );
    const child = new Cli(['exec', path, ...bare, '--state-dir', join(folder, 'state')]);
    await child.line('stdout', 'tick');
    child.stopReading();
    expect((await child.ended).exitCode).toBe(130);
  });

  test('runs several jobs at once on one state directory', async () => {
    const path = await jobFile('many.yaml', 'steps: [{ run: "echo one of many" }]\n');
    const ended = await Promise.all([run(path), run(path), run(path)]);
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  });

  test('leaves no sandbox behind', async () => {
    const places = await readdir(join(folder, 'state', 'exec'));
    for (const place of places)
      expect(await readdir(join(folder, 'state', 'exec', place, 'executors', 'process', 'sandboxes'))).toEqual([]);
    expect(await readFile('/proc/self/mounts', 'utf8').catch(() => '')).not.toContain(folder);
  });

  test('keeps the caches of a job for the next one, with links that stay inside and without others', async () => {
    const path = await jobFile(
      'cached.yaml',
      `
name: cached
caches: [{ key: "deps-{{ hash 'lock' }}", fallback: [deps-], paths: [deps] }]
steps:
  - run: |
      if [ -e deps ]; then
        stat -c 'file %U-writable %a' deps/tool; cat deps/alias deps/.hidden; ls deps/leaves 2>&1 || true
        test -w deps/tool && echo mine
      else
        mkdir -p deps; printf tool > deps/tool; chmod 750 deps/tool
        ln -s tool deps/alias; printf hidden > deps/.hidden; ln -s /etc/passwd deps/leaves
      fi
`,
    );
    const first = await run(path);
    expect(first.exitCode).toBe(0);
    expect(first.stdout).toMatch(/Cache deps-[0-9a-f]{32}: there is none yet/);
    expect(first.stdout).toMatch(/1 file could not be taken into it/);
    expect(first.stdout).toMatch(/saved [\d.]+ \S+ of 3 files in/);
    const second = await run(path);
    expect(second.stdout).toMatch(/Cache deps-[0-9a-f]{32}: restored [\d.]+ \S+ in/);
    expect(second.stdout).toMatch(/writable 750[\s\S]*toolhidden[\s\S]*No such file[\s\S]*mine/);
    expect(second.stdout).not.toMatch(/saved/);
    const none = await run(path, ['--cache-store', 'none']);
    expect(none.stdout).toMatch(/caches of the job have no effect/);
  });
});
