import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runAgent, startAgent } from '../support/agent.js';
import { readyWorker, startServer, startWorker } from '../support/cluster.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, namesIn, processesWithMarker } from '../support/witness.js';

/** A git repository with one commit, as a person has it. */
async function repository(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder('ritmo-repo');
  // The user of a job reads it.
  await chmod(folder, 0o755);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], {
      stdio: 'pipe',
    });
  git('init', '--quiet', '--initial-branch', 'main');
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  return folder;
}

async function jobFile(text: string): Promise<string> {
  const folder = await temporaryFolder('ritmo-job');
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'job.yaml');
  await writeFile(file, text);
  return file;
}

describe('a worker', () => {
  it('checks out a repository, runs its steps, streams the log, stores the artifacts and reports the end', async () => {
    const source = await repository({ 'build.sh': 'mkdir out && echo built > out/result.txt\n' });
    const server = await startServer();
    const worker = await readyWorker(server, { flags: ['--allow-local-sources'] });
    const file = await jobFile(`
name: build
source: { git: ${source}, ref: main }
secrets: [TOKEN]
steps:
  - { name: Build, run: sh build.sh }
  - { name: Use, run: "echo token $TOKEN; cat out/result.txt" }
artifacts:
  - { name: out, paths: [out], required: true }
`);
    const end = await runAgent(
      [
        'submit',
        file,
        '--follow',
        '--secret',
        'TOKEN',
        '--api-server',
        server.url,
        '--token-file',
        server.userTokenFile,
      ],
      { env: { TOKEN: 'hunter2hunter3' } },
    );
    expect(end.stderr).not.toContain('hunter2hunter3');
    expect(end.exitCode, end.stdout + end.stderr).toBe(0);
    expect(end.stdout).toContain('Build');
    expect(end.stdout).toContain('token ***');
    expect(end.stdout).toContain('built');
    expect(end.stdout).not.toContain('hunter2hunter3');
    const id = /job (\S+)/.exec(end.stderr)?.[1] ?? '';
    const [artifact] = await server.artifacts(id);
    expect(artifact).toMatchObject({ name: 'out', path: 'out/result.txt', size: 6 });
    expect(artifact?.sha256).toBe(createHash('sha256').update('built\n').digest('hex'));
    const body = await server.call('GET', `/v1/jobs/${id}/artifacts/${artifact?.artifactId}`);
    expect(await body.text()).toBe('built\n');
    expect((await server.job(id)).job.source?.git).toBe(source);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
    for (const folder of ['journal', 'spool', 'staging'])
      expect(await namesIn(join(worker.stateDir, folder))).toEqual([]);
    expect(await processesWithMarker(worker.stateDir)).toEqual([]);
    expect(await mountsBelow(worker.stateDir)).toEqual([]);
    expect(worker.stderr.text).not.toContain('hunter2hunter3');
  });

  it('shows a line before its step has ended, and stops the silent rest at a cancel', async () => {
    const server = await startServer();
    const worker = await readyWorker(server);
    const id = await server.submit({
      name: 'silent',
      steps: [{ run: 'echo ready; sleep 600' }, { name: 'Cleanup', run: 'echo cleaned', when: 'always' }],
    });
    const access = ['--api-server', server.url, '--token-file', server.userTokenFile];
    const follow = startAgent(['logs', id, '--follow', ...access]);
    await follow.stdout.waitFor(/ready/);
    expect((await server.job(id)).state).toBe('running');
    const cancel = await runAgent(['cancel', id, ...access]);
    expect(cancel.exitCode, cancel.stderr).toBe(0);
    expect((await follow.ended).exitCode).toBe(130);
    expect(await server.job(id)).toMatchObject({ state: 'cancelled', failure: { code: 'RITMO_CANCELLED' } });
    expect(await server.output(id)).toBe('ready\ncleaned\n');
    expect(await processesWithMarker(id)).toEqual([]);
    worker.kill('SIGTERM');
    await worker.ended;
  });

  it('drains at the first signal: the running build ends well, and nothing new is begun', async () => {
    const server = await startServer();
    const worker = await readyWorker(server, { flags: ['--max-concurrent', '1'] });
    const running = await server.submit({ name: 'running', steps: [{ run: 'echo on; sleep 1; echo done' }] });
    await server.when(running, ['running']);
    const waiting = await server.submit({ name: 'waiting', steps: [{ run: 'true' }] });
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(0);
    expect((await server.job(running)).state).toBe('succeeded');
    expect(await server.output(running)).toBe('on\ndone\n');
    expect((await server.job(waiting)).state).toBe('queued');
  });

  it('cancels its builds at the second signal and says so with 75', async () => {
    const server = await startServer();
    const worker = await readyWorker(server);
    const id = await server.submit({ name: 'long', grace: 200, steps: [{ run: 'echo on; sleep 600' }] });
    await server.when(id, ['running']);
    worker.kill('SIGTERM');
    await worker.stderr.waitFor(/draining/);
    worker.kill('SIGTERM');
    expect((await worker.ended).exitCode).toBe(75);
    expect(await server.job(id)).toMatchObject({ state: 'errored', failure: { code: 'RITMO_AGENT_STOPPING' } });
    expect(await processesWithMarker(worker.stateDir)).toEqual([]);
  });

  it('refuses a state directory in use: the second agent says so and ends', async () => {
    const server = await startServer();
    const worker = await readyWorker(server);
    const second = await startWorker(server, { stateDir: worker.stateDir });
    expect((await second.ended).exitCode).toBe(69);
    expect(second.stderr.text).toContain('RITMO_STATE_LOCKED');
    expect(second.stderr.text).not.toMatch(/\n\s+at /);
  });

  it('cannot take the name of another with the registration token alone', async () => {
    const server = await startServer();
    const worker = await readyWorker(server, { flags: ['--name', 'builder'] });
    const thief = await startWorker(server, { flags: ['--name', 'builder'] });
    expect((await thief.ended).exitCode).toBe(69);
    expect(thief.stderr.text).toContain('RITMO_NAME_TAKEN');
    const id = await server.submit({ name: 'mine', steps: [{ run: 'echo $RITMO_WORKER' }] });
    expect((await server.ended(id)).state).toBe('succeeded');
    worker.kill('SIGTERM');
    await worker.ended;
  });

  it('keeps its own environment, tokens and state from the build', async () => {
    const server = await startServer();
    const worker = await readyWorker(server, { env: { MARK_OF_AGENT: 'leaked-by-environment' } });
    const id = await server.submit({
      name: 'curious',
      steps: [
        { run: 'env; cat /proc/*/environ 2>/dev/null | tr "\\0" "\\n"', continueOnError: true },
        { run: `ls ${worker.stateDir} || echo unseen`, continueOnError: true },
        { run: `cat ${server.registrationTokenFile} || echo no token`, continueOnError: true },
        { run: 'cat /etc/shadow || echo no shadow', continueOnError: true },
      ],
    });
    expect((await server.ended(id)).state).toBe('succeeded');
    const output = await server.output(id);
    const token = (await readFile(server.registrationTokenFile, 'utf8')).trim();
    expect(output).toContain('RITMO_JOB_NAME=curious');
    expect(output).not.toContain('leaked-by-environment');
    expect(output).not.toContain(token);
    expect(output).toMatch(/unseen[\s\S]*no token[\s\S]*no shadow/);
  });

  it('ends a job that it cannot run as errored, with a code, a sentence and a hint', async () => {
    const server = await startServer();
    await readyWorker(server);
    const id = await server.submit({ name: 'lacking', secrets: [{ name: 'TOKEN' }], steps: [{ run: 'echo never' }] });
    expect(await server.ended(id)).toMatchObject({
      state: 'errored',
      failure: { code: 'RITMO_SECRET_MISSING', message: expect.stringContaining('TOKEN'), hint: expect.any(String) },
    });
    expect(await server.output(id)).toBe('');
  });
});
