import type { LogRecord } from '@ritmo/protocol';
import { describe, expect, test } from 'vitest';
import { LogView } from '../../src/render/log-view.js';
import { memoryOutput } from '../support/output.js';

const esc = '\u001b';

function shown(records: readonly LogRecord[], options: Parameters<typeof memoryOutput>[0] = {}): string {
  const out = memoryOutput(options);
  const view = new LogView(out, { live: false });
  for (const record of records) view.show(record);
  view.close();
  return out.text;
}

const step = (t: number, name: string, cmd: string): LogRecord => ({ t, k: 'step', s: 0, name, cmd });
const output = (m: string, fd: 1 | 2 = 1): LogRecord => ({ t: 1, k: 'out', s: 0, fd, m });
const end = (t: number, rest: object = { code: 0 }): LogRecord => ({ t, k: 'end', s: 0, ...rest });
const note = (m: string, level: 'info' | 'warn' | 'error' = 'info'): LogRecord => ({ t: 0, k: 'note', level, m });

describe('the log of a build', () => {
  test('breaks notes of the agent between words', () => {
    const text = shown([note('process sandbox: bubblewrap, a user of its own')], { terminal: true, columns: 40 });
    expect(text).toBe('· process sandbox: bubblewrap, a user of\n  its own\n');
  });

  test('says once what a step without a name runs, also where its name was cut', () => {
    const command = `echo ${'x'.repeat(100)}`;
    expect(shown([step(0, `${command.slice(0, 79)}…`, command), end(10)])).toBe(
      `00:00 ▸ ${command.slice(0, 79)}…\n00:00 ✓ ${command.slice(0, 79)}… 10 ms\n`,
    );
  });

  test('shows steps with names, commands and times, and their output as it came', () => {
    const text = shown([
      { k: 'log', v: 1, job: 'j', epoch: 1, start: '2026-01-01T00:00:00Z' },
      note('Pulling node:22'),
      step(1000, 'Install', 'npm ci'),
      output('added 1 '),
      output('package\n'),
      end(3500),
      step(63_000, 'Test', 'npm test\nnpm run report\n'),
      output('no newline'),
      end(75_300, { code: 1 }),
    ]);
    expect(text).toBe(
      [
        '· Pulling node:22',
        '00:01 ▸ Install  npm ci',
        'added 1 package',
        '00:03 ✓ Install 2.5 s',
        '01:03 ▸ Test  npm test …',
        'no newline',
        '01:15 ✗ Test exited with 1 after 12.3 s',
        '',
      ].join('\n'),
    );
  });

  test.each([
    [{ signal: 'SIGSEGV' }, '✗ S was ended by SIGSEGV after 1.0 s'],
    [{ code: 137, limit: 'memory' }, '✗ S exited with 137 at its memory limit after 1.0 s'],
    [{ reason: 'not-started' }, '✗ S could not start\n'],
    [{ signal: 'SIGKILL', reason: 'step-timeout' }, '■ S was stopped (step-timeout) after 1.0 s'],
  ])('says how a step ended: %j', (ending, line) => {
    expect(shown([step(0, 'S', 'x'), end(1000, ending)])).toContain(line);
  });

  test('gives colours back at the end of a step, and before notes', () => {
    const text = shown(
      [step(0, 'S', 'x'), output(`${esc}[31mred`), note('careful', 'warn'), output(`${esc}[32mgreen`), end(5)],
      {
        terminal: true,
        colours: true,
      },
    );
    expect(text).toContain(`${esc}[31mred${esc}[0m\n`);
    expect(text).toContain(`${esc}[32mgreen${esc}[0m\n`);
  });

  test('keeps the colours of both streams apart from sequences that are cut', () => {
    const text = shown([step(0, 'S', 'x'), output(`${esc}[3`), output('error\n', 2), output('1mred'), end(5)], {
      terminal: true,
      colours: true,
    });
    expect(text).toContain('error\n');
    expect(text).toContain(`${esc}[31mred`);
  });

  test('has no colours where there are none', () => {
    expect(shown([step(0, 'S', 'x'), output(`${esc}[31mred${esc}[0m\n`), end(5), note('bad', 'error')])).not.toContain(
      esc,
    );
  });

  test('neutralises names, commands and notes', () => {
    const text = shown([step(0, `S${esc}[2J\n✓ forged`, `x${esc}]0;t\u0007`), end(1), note(`n${esc}[1A\nm`)]);
    expect(text).toBe('00:00 ▸ S ✓ forged  x\n00:00 ✓ S ✓ forged 1 ms\n· n m\n');
  });

  test('cuts long commands to the width of the terminal', () => {
    const text = shown([step(0, 'S', 'y'.repeat(300))], { terminal: true, columns: 60 });
    expect(text.trimEnd().length).toBeLessThanOrEqual(60);
    expect(text).toContain('…');
  });

  test.each([[{ code: 0 }], [{ code: 3 }], [{ signal: 'SIGKILL' }], [{ reason: 'user' }]])(
    'cuts long names to the width of the terminal, so that how the step ended (%o) stands on the same line',
    (how) => {
      const lines = [step(0, 'n'.repeat(300), 'x'), end(1, how)];
      for (const line of shown(lines, { terminal: true, columns: 60 }).trimEnd().split('\n')) {
        expect(line).toHaveLength(60);
        expect(line).toContain('…');
      }
      expect(shown(lines, { terminal: true, columns: 60 })).toMatch(/1 ms\n$/);
      expect(shown(lines)).not.toContain('…');
    },
  );

  test('leaves the closing note to the last line, but shows a note that only looks like one', () => {
    expect(
      shown([step(0, 'S', 'x'), end(1), note('failed: step "S" exited with 1 (RITMO_STEP_FAILED)', 'error')]),
    ).not.toContain('failed:');
    expect(shown([note('failed: a try', 'warn'), step(0, 'S', 'x'), end(1)])).toContain('· failed: a try\n');
  });

  test('shows the end that was kept of a log which was cut by its steps, as it came, and the outcome in the last line alone', () => {
    const of = (s: number, m: string, fd: 1 | 2 = 1): LogRecord => ({ t: 3, k: 'out', s, fd, m });
    const text = shown([
      { t: 0, k: 'step', s: 0, name: 'Print', cmd: 'yes' },
      of(0, 'line 1\nline'),
      { t: 1, k: 'end', s: 0, code: 0 },
      { t: 1, k: 'step', s: 1, name: 'After', cmd: 'echo' },
      { t: 2, k: 'end', s: 1, code: 0 },
      note('succeeded in 2 ms'),
      note('1 MiB of output are missing here: the log is limited to 1 MiB. The last 20 bytes follow.', 'warn'),
      of(0, ' 8\nline 9\n'),
      of(0, `${esc}[31mlast\n`, 2),
      of(1, 'words of the next'),
    ]);
    expect(text.slice(text.indexOf('00:00 ✓ After'))).toBe(
      `00:00 ✓ After 1 ms
· 1 MiB of output are missing here: the log is limited to 1 MiB. The last 20 bytes follow.
▸ Print
 8
line 9
last
▸ After
words of the next
`,
    );
  });
});
