import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../src/commands/index.js';
import { shells } from '../../src/completion/model.js';
import { completionScript } from '../../src/completion/script.js';

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ritmo-completion-'));
  for (const shell of shells) await writeFile(join(folder, `script.${shell}`), completionScript(shell, commands));
  await mkdir(join(folder, 'a folder'));
  await writeFile(join(folder, 'a job.yaml'), '');
  await writeFile(join(folder, 'ritmo-agent'), '#!/bin/sh\n');
  await chmod(join(folder, 'ritmo-agent'), 0o755);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

/** What a shell offers where the last word of the line stands. */
const offered = {
  async bash(words: readonly string[]) {
    const script =
      'source ./script.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ritmo_agent; printf "%s\\n" "${COMPREPLY[@]}"';
    const { stdout } = await run('bash', ['--norc', '-c', script, 'bash', ...words], { cwd: folder });
    return lines(stdout);
  },
  async fish(words: readonly string[]) {
    const { stdout } = await run(
      'fish',
      ['--no-config', '-c', `source ./script.fish; complete -C "$argv"`, words.join(' ')],
      {
        cwd: folder,
        env: { PATH: `${folder}:${process.env['PATH']}`, HOME: folder },
      },
    );
    return lines(stdout).map((line) => line.split('\t')[0] ?? '');
  },
  /** A zsh of a person, in a terminal of its own: only there its completion works. */
  async zsh(words: readonly string[]) {
    const script = [
      'zmodload zsh/zpty; zpty z zsh -f -i',
      'zpty -w z \'PS1=; unsetopt zle_bracketed_paste 2>/dev/null; bindkey "^I" complete-word; autoload -Uz compinit && compinit -D -u; source ./script.zsh\'',
      // Says what is offered instead of showing it.
      'zpty -w z \'compadd() { local -a all; builtin compadd -O all "$@"; print -rl -- "<${(@)^all}>"; builtin compadd "$@" }; _main_complete_done() { print -r -- "[end]" }; comppostfuncs=(_main_complete_done); print -r -- "["ready"]"\'',
      'zpty -r z out "*\\[ready\\]*"',
      'zpty -w -n z "$*"$\'\\t\'',
      'zpty -r z out "*\\[end\\]*"; print -r -- "$out"; zpty -d z',
    ].join('\n');
    const { stdout } = await run('zsh', ['-f', '-c', script, 'zsh', words.join(' ')], {
      cwd: folder,
      env: { PATH: `${folder}:${process.env['PATH']}`, HOME: folder, TERM: 'xterm' },
    });
    return [...new Set([...stdout.matchAll(/<([^<>\r\n]+)>/g)].map(([, word]) => word))];
  },
};

describe.each(shells)('completion in %s', (shell) => {
  test.each([
    [['ritmo-agent', 'co'], ['completion']],
    [
      ['ritmo-agent', 'exec', '--isolation', ''],
      ['docker', 'process', 'vm'],
    ],
    [['ritmo-agent', '--log-level', 'w'], ['warn']],
    [['ritmo-agent', 'exec', '--process-is'], ['--process-isolation']],
    [['ritmo-agent', '--drain-t'], ['--drain-timeout']],
    [['ritmo-agent', 'cancel', '--drain-t'], []],
    [['ritmo-agent', 'completion', 'f'], ['fish']],
  ])('%j offers %j', async (words, expected) => {
    expect(await offered[shell](words)).toEqual(expected);
  });

  test('offers files where a job file stands, whatever flags are before it', async () => {
    const found = await offered[shell](['ritmo-agent', 'exec', '--isolation', 'process', 'a']);
    expect(found.join('\n')).toMatch(/a\\? job\.yaml/);
  });

  test('offers only folders where a folder stands', async () => {
    const found = (await offered[shell](['ritmo-agent', '--state-dir', 'a'])).join('\n');
    expect(found).toMatch(/a\\? folder/);
    expect(found).not.toContain('yaml');
  });
});
