import { describe, expect, it } from 'vitest';
import { GitOutput } from '../../../src/build/source/git-output.js';

function output() {
  let time = 0;
  let shown = '';
  const show = { write: (_stream: string, bytes: Uint8Array) => void (shown += Buffer.from(bytes).toString()) };
  return {
    git: new GitOutput(show, ['stderr'], () => time),
    shown: () => shown,
    wait: (ms: number) => void (time += ms),
  };
}

describe('what git says', () => {
  it('goes on in whole lines, wherever it was cut', async () => {
    const { git, shown } = output();
    await git.write('stdout', Buffer.from('not asked for\n'));
    expect(git.stdout).toBe('not asked for\n');
    for (const byte of Buffer.from('From https://x\n * branch ä\n')) await git.write('stderr', Buffer.of(byte));
    expect(shown()).toBe('From https://x\n * branch ä\n');
  });

  it('shows of its progress a line every five seconds, and the last', async () => {
    const { git, shown, wait } = output();
    for (let n = 1; n <= 100; n++) {
      wait(100);
      await git.write('stderr', Buffer.from(`Receiving objects: ${n}%\r`));
    }
    await git.write('stderr', Buffer.from('Receiving objects: 100%, done.\n'));
    expect(shown()).toBe('Receiving objects: 50%\nReceiving objects: 100%\nReceiving objects: 100%, done.\n');
  });

  it('is kept for the error, without what the server says and without end', async () => {
    const { git, shown } = output();
    await git.write('stderr', Buffer.from(`${'x'.repeat(200)}\n`.repeat(1000)));
    await git.write('stderr', Buffer.from("remote: fatal: couldn't find remote ref\nfatal: early EOF\n"));
    expect(git.stderr).toMatch(/\nfatal: early EOF\n$/);
    expect(git.stderr).not.toMatch(/remote/);
    expect(git.stderr.length).toBeLessThan(40_000);
    expect(shown()).not.toMatch(/early EOF/);
  });
});
