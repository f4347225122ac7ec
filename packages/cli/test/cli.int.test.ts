import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { cli } from './support/cli.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// Port 9 is discard: nothing listens there.
const nobody = ['--api-server', '127.0.0.1:9'];

describe('ritmo-agent', () => {
  test('prints its version', async () => {
    expect(await cli(['--version'])).toEqual({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('names a variable that was likely meant to be a setting, and goes on', async () => {
    const { exitCode, stdout, stderr } = await cli(['completion', 'bash'], { RITMO_MAX_CONCURENT: '4' });
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: 'RITMO_MAX_CONCURENT is no setting and was not read; did you mean RITMO_MAX_CONCURRENT?\n',
    });
    expect(stdout).toContain('complete');
  });

  test('prints its help with every command', async () => {
    const { exitCode, stdout, stderr } = await cli(['--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const word of [
      'start',
      'exec',
      'submit',
      'cancel',
      'status',
      'logs',
      'pause',
      'resume',
      'drain',
      'doctor',
      'api-server',
      '--max-concurrent',
    ])
      expect(stdout).toContain(word);
  });

  test('tells a mistyped flag with what was meant', async () => {
    const { exitCode, stdout, stderr } = await cli(['exec', 'x.yaml', '--isolaton', 'process']);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: "error: Unknown option '--isolaton'. (RITMO_USAGE)\nhint: Did you mean --isolation?\n",
    });
  });

  test('says which addresses it has tried when no Docker daemon answers, and what mends that', async () => {
    const path = join(folder, 'job.yaml');
    await writeFile(path, 'name: it\nimage: busybox\nsteps:\n  - run: "true"\n');
    const socket = join(folder, 'no-docker.sock');
    const { exitCode, stdout, stderr } = await cli(['exec', path, '--state-dir', folder], {
      DOCKER_HOST: `unix://${socket}`,
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 69, stdout: '' });
    expect(stderr).toContain(`No Docker daemon answers: unix://${socket} (ENOENT). (RITMO_EXECUTOR_UNAVAILABLE)`);
    expect(stderr).toMatch(
      /hint: .*apt-get install docker\.io.* Or choose another isolation: --isolation process, or vm\.\n$/,
    );
    const named = await cli(['exec', path, '--state-dir', folder, '--isolation', 'docker'], {
      DOCKER_HOST: `unix://${socket}`,
    });
    expect(named.exitCode).toBe(69);
    expect(named.stderr).not.toContain('another isolation');
  });

  test('says that an isolation is not installed, and what to use instead', async () => {
    const { exitCode, stderr } = await cli(['--isolation', 'ritmo-executor-ssh', ...nobody]);
    expect(exitCode).toBe(69);
    expect(stderr).toBe(
      'error: The package ritmo-executor-ssh is not installed. (RITMO_PLUGIN_INVALID)\n' +
        'hint: Install it beside ritmo-agent (npm install ritmo-executor-ssh), or use `--isolation process`.\n',
    );
  });

  test('refuses plain http to another machine', async () => {
    const { exitCode, stderr } = await cli(['status', '--api-server', 'http://ci.example.org']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('(RITMO_INSECURE_URL)');
  });

  test('lists every mistake of a job file, and runs nothing', async () => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, 'timeuot: 5m\nsteps:\n  - run: "true"\n    when: allways\n');
    const { exitCode, stdout, stderr } = await cli(['exec', path, '--isolation', 'process']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toBe(
      [
        'error: The job file has 2 mistakes: (RITMO_JOB_INVALID)',
        `  ${path}:1:1: timeuot: there is no such key`,
        '      Did you mean `timeout`?',
        `  ${path}:4:11: steps[0].when: must be success, failure or always, not "allways"`,
        '      Did you mean `always`?',
        'hint: Nothing was run.',
        '',
      ].join('\n'),
    );
  });

  test.each([['status'], ['cancel', 'j1'], ['logs', 'j1', '--follow'], ['pause', 'w1']])(
    '%s says that the server is not there, in one sentence',
    async (...args) => {
      const { exitCode, stdout, stderr } = await cli([...args, ...nobody]);
      expect({ exitCode, stdout }).toEqual({ exitCode: 69, stdout: '' });
      expect(stderr).toMatch(
        /^error: The API server at http:\/\/127\.0\.0\.1:9 does not answer: nothing listens there\. \(RITMO_SERVER_UNREACHABLE\)\nhint: .+\n$/,
      );
    },
  );

  test('doctor answers for programs what this machine can do', async () => {
    const { exitCode, stdout, stderr } = await cli(['doctor', '--json', '--state-dir', folder, ...nobody]);
    expect(stderr).toBe('');
    expect([0, 69]).toContain(exitCode);
    const { checks } = JSON.parse(stdout) as { checks: Array<{ name: string; state: string; remedy?: string }> };
    expect(checks.map(({ name }) => name)).toEqual([
      'isolation docker',
      'isolation process',
      'isolation vm',
      'node',
      'git',
      'state directory',
      'swap',
      'API server',
    ]);
    for (const check of checks) expect(check.state === 'ok' || check.remedy !== undefined || exitCode === 0).toBe(true);
  });
});
