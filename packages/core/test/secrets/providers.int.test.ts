import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { commandSecrets } from '../../src/secrets/command.js';
import { environmentSecrets, folderSecrets } from '../../src/secrets/providers.js';
import { temporaryFolder } from '../support/agent-fixture.js';

const quiet = new AbortController().signal;
const request = (name: string) => ({ name, jobId: 'job-1', jobName: 'a job' });

async function program(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'vault');
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('the environment as a provider', () => {
  it('gives its variables', async () => {
    const provider = environmentSecrets({ TOKEN: 'abc' });
    expect(await provider.get(request('TOKEN'), quiet)).toBe('abc');
    expect(await provider.get(request('OTHER'), quiet)).toBeUndefined();
  });
});

describe('a folder as a provider', () => {
  it('gives the bytes of the file as they are, and as they are now', async () => {
    const folder = await temporaryFolder();
    const provider = folderSecrets(folder);
    expect(await provider.get(request('KEY'), quiet)).toBeUndefined();
    await writeFile(join(folder, 'KEY'), 'one\ntwo\n');
    expect(await provider.get(request('KEY'), quiet)).toBe('one\ntwo\n');
  });

  it('does not climb out of it, and says what is no file or not UTF-8 without its bytes', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'inside'));
    await mkdir(join(folder, 'inside', 'FOLDER'));
    await writeFile(join(folder, 'OUTSIDE'), 'x');
    await writeFile(join(folder, 'inside', 'BYTES'), Buffer.from([0xff, 0x68, 0x69]));
    const provider = folderSecrets(join(folder, 'inside'));
    expect(await provider.get(request('../OUTSIDE'), quiet)).toBeUndefined();
    await expect(provider.get(request('FOLDER'), quiet)).rejects.toThrow('no file');
    await expect(provider.get(request('BYTES'), quiet)).rejects.toThrow('not UTF-8');
  });
});

describe('a program as a provider', () => {
  it('is run with the name and gives what it prints, without the newline of a single line', async () => {
    const provider = commandSecrets([await program('echo "value of $1 for $RITMO_JOB_ID"')]);
    expect(await provider.get(request('TOKEN'), quiet)).toBe('value of TOKEN for job-1');
  });

  it('keeps a value of several lines as it is, since ssh wants the last newline of a key', async () => {
    const provider = commandSecrets([await program(String.raw`printf 'one\ntwo\n'`)]);
    expect(await provider.get(request('KEY'), quiet)).toBe('one\ntwo\n');
  });

  it('has no such secret when it ends with 3', async () => {
    expect(await commandSecrets([await program('exit 3')]).get(request('TOKEN'), quiet)).toBeUndefined();
  });

  it.each([
    ['ends otherwise', 'echo hunter2; echo hunter2 >&2; exit 1', 'ended with 1'],
    ['is killed', 'kill -9 $$', 'ended with SIGKILL'],
    ['prints without end', 'yes hunter2', 'more than 128 KiB'],
  ])('fails when it %s, and repeats nothing that it printed', async (_title, text, sentence) => {
    const error = await commandSecrets([await program(text)])
      .get(request('TOKEN'), quiet)
      .then(
        () => new Error('it gave a value'),
        (reason: unknown) => reason as Error,
      );
    expect(error.message).toContain(sentence);
    expect(error.message).not.toContain('hunter2');
  });

  it('fails when it is not there', async () => {
    await expect(commandSecrets(['/does/not/exist']).get(request('TOKEN'), quiet)).rejects.toThrow('ENOENT');
  });

  it('is killed when nobody waits any more', async () => {
    const folder = await temporaryFolder();
    const provider = commandSecrets([await program(`echo $$ > ${folder}/pid; exec sleep 1000`)]);
    const stop = new AbortController();
    const asked = provider.get(request('TOKEN'), stop.signal);
    let pid = '';
    while (pid === '') pid = (await readFile(join(folder, 'pid'), 'utf8').catch(() => '')).trim();
    stop.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
  });
});
