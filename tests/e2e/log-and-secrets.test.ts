import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readyWorker, startServer, stateFolder } from '../support/cluster.js';

const secret = 'hunter2hunter3-of-the-build';
/** Where the agent keeps what builds hide: the first that is memory. */
const folder = ['/run', '/dev/shm'].find((place) => statfsSync(place).type === 0x01021994) ?? '/dev/shm';

/** Everything below a folder that holds the text, by path. */
function filesWith(root: string, text: string): readonly string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter(
      (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path).includes(text),
    );
}

describe('a secret of a job', () => {
  it('shows nowhere: names, commands, output, encodings, artifacts, errors, the log of the agent, its disk', async () => {
    const server = await startServer();
    const worker = await readyWorker(server, { flags: ['--log-level', 'debug'] });
    const id = await server.submit(
      {
        name: 'telling',
        secrets: [{ name: 'TOKEN' }, { name: 'FILE', as: 'file' }],
        steps: [
          {
            name: `Say ${secret}`,
            run: [
              `echo ${secret}; printf %s "$TOKEN"; echo; echo "$TOKEN" | base64; cat "$FILE"`,
              'for part in hunter2hun ter2hunter3-of-the-build; do printf %s "$part"; sleep 0.05; done; echo',
              `mkdir out; echo x > "out/$TOKEN.txt"; ln -s "$TOKEN" out/link`,
              'exit 1',
            ].join('\n'),
          },
        ],
        artifacts: [{ name: 'out', paths: ['out', `missing-${secret}`], when: 'always' }],
      },
      { TOKEN: secret, FILE: `${secret}\nsecond line of it\n` },
    );
    const detail = await server.ended(id);
    expect(detail.state).toBe('failed');
    const told = JSON.stringify([
      await server.records(id),
      detail.failure,
      detail.attempts,
      await server.artifacts(id),
    ]);
    expect(told).not.toContain(secret);
    expect(told).not.toContain('second line of it');
    expect(told).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
    expect(await server.output(id)).toContain('***');
    expect((await server.artifacts(id)).map(({ path }) => path).toSorted()).toEqual(['out/***.txt', 'out/link']);
    worker.kill('SIGTERM');
    await worker.ended;
    expect(`${worker.stdout.text}${worker.stderr.text}`).not.toContain(secret);
    expect(filesWith(worker.stateDir, secret)).toEqual([]);
  });

  it('stands on no command line and in no file of the agent while the build runs', async () => {
    const server = await startServer();
    const worker = await readyWorker(server);
    const id = await server.submit(
      { name: 'holding', secrets: [{ name: 'TOKEN' }], steps: [{ run: 'echo on; sleep 1000' }] },
      { TOKEN: secret },
    );
    while (!(await server.output(id)).includes('on')) await new Promise((resolve) => setImmediate(resolve));
    const lines = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
    expect(lines).not.toContain(secret);
    for (const name of ['journal', 'spool']) expect(filesWith(join(worker.stateDir, name), secret)).toEqual([]);
    await server.call('POST', `/v1/jobs/${id}/cancel`, {});
    await server.ended(id);
  });
});

describe('a value that a build hides at run time', () => {
  it('is kept in memory while the build runs, also over the death of the agent, and gone after it', async () => {
    const server = await startServer();
    const stateDir = await stateFolder();
    const first = await readyWorker(server, { stateDir, flags: ['--name', 'masking'] });
    const id = await server.submit({
      name: 'hiding',
      steps: [
        {
          run: `made=${secret.slice(0, 9)}; made="$made${secret.slice(9)}"; echo "::add-mask::$made"; echo $made; sleep 1000`,
        },
      ],
    });
    while (!(await server.output(id)).includes('***')) await new Promise((resolve) => setImmediate(resolve));
    const owner = readFileSync(join(stateDir, 'owner-id'), 'utf8').trim();
    const kept = join(folder, `ritmo-masks-${owner}`);
    onTestFinished(() => rm(kept, { recursive: true, force: true }));
    expect(await readdir(kept)).toEqual([`${id}.1`]);
    first.kill('SIGKILL');
    await first.ended;
    expect(await readdir(kept)).toEqual([`${id}.1`]);
    const next = await readyWorker(server, { stateDir, flags: ['--name', 'masking'] });
    await server.ended(id);
    expect(JSON.stringify(await server.records(id))).not.toContain(secret);
    next.kill('SIGTERM');
    await next.ended;
    expect((await readdir(folder)).includes(`ritmo-masks-${owner}`)).toBe(false);
  });
});

describe('a disk that is nearly full', () => {
  it('cuts the log and not the build', async () => {
    const disk = await mkdtemp(join(tmpdir(), 'ritmo-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0711', 'ritmo-test', disk]);
    onTestFinished(async () => {
      execFileSync('umount', [disk]);
      await rm(disk, { recursive: true });
    });
    const server = await startServer();
    const worker = await readyWorker(server, {
      stateDir: join(disk, 'agent'),
      flags: ['--min-free-disk', '20MiB'],
    });
    const id = await server.submit({ name: 'flood', steps: [{ run: 'yes 0123456789 | head -c 80000000; echo end' }] });
    expect((await server.ended(id)).state).toBe('succeeded');
    expect((await server.notes(id)).join('\n')).toMatch(/missing here: the disk of the worker is nearly full/);
    expect((await server.output(id)).endsWith('end\n')).toBe(true);
    worker.kill('SIGTERM');
    await worker.ended;
  });
});
