import { describe, expect, test } from 'vitest';
import { commands } from '../src/commands/index.js';
import { readCommandLine } from '../src/program.js';
import { memoryIo, memoryOutput } from './support/output.js';

const read = (line: string) => readCommandLine(line.split(' ').filter(Boolean), commands, '1.2.3', memoryIo());

describe('the command line', () => {
  test('without a command starts a worker', () => {
    expect(read('')).toMatchObject({ kind: 'run', command: { name: 'start' }, flags: {} });
    expect(read('--isolation process --label a=b --label c=d --insecure')).toMatchObject({
      command: { name: 'start' },
      flags: { isolation: ['process'], labels: ['a=b', 'c=d'], insecure: ['true'] },
    });
  });

  test('gives commands their arguments, wherever the flags stand', () => {
    expect(read('exec --json job.yaml --secret A --secret B')).toMatchObject({
      command: { name: 'exec' },
      args: ['job.yaml'],
      flags: { json: ['true'], secret: ['A', 'B'] },
    });
    expect(read('status')).toMatchObject({ args: [undefined] });
    expect(read('api-server --host 0.0.0.0 --port 0')).toMatchObject({
      flags: { listenHost: ['0.0.0.0'], listenPort: ['0'] },
    });
  });

  test('can turn a switch off', () => {
    expect(read('--no-insecure')).toMatchObject({ flags: { insecure: ['false'] } });
  });

  test('prints its version and its help on stdout', () => {
    for (const [line, text] of [
      ['--version', '1.2.3\n'],
      ['help exec', 'Usage: ritmo-agent exec'],
      ['--help', '--max-concurrent <N>'],
    ] as const) {
      const io = memoryIo();
      expect(readCommandLine(line.split(' '), commands, '1.2.3', io)).toEqual({ kind: 'done' });
      expect(io.out.text).toContain(text);
      expect(io.err.text).toBe('');
    }
  });

  test.each([60, 80, 200])('breaks its help between words in a window of %d columns', (columns) => {
    for (const line of ['--help', 'start --help', 'exec --help']) {
      const io = { ...memoryIo(), out: memoryOutput({ terminal: true, columns }) };
      readCommandLine(line.split(' '), commands, '1.2.3', io);
      const broken = io.out.text.split('\n').filter((one) => one.startsWith('  -') && one.length > columns);
      expect(broken).toEqual([]);
    }
  });

  test.each([
    ['exex job.yaml', 'There is no command "exex".', 'Did you mean exec?'],
    ['job.yaml', 'There is no command "job.yaml".', 'Did you mean `ritmo-agent exec job.yaml`?'],
    ['--max-concurent 3', "Unknown option '--max-concurent'.", 'Did you mean --max-concurrent?'],
    ['--insecure=yes', '--insecure takes no value.', 'Say --insecure or --no-insecure.'],
    ['--no-insecure=yes', '--insecure takes no value.', 'Say --insecure or --no-insecure.'],
    ['--insecur=yes', "Unknown option '--insecur'.", 'Did you mean --insecure?'],
    ['exec a.yaml --isolaton=process', "Unknown option '--isolaton'.", 'Did you mean --isolation?'],
    // It is one of another command.
    ['exec a.yaml --max-jobs=3', "Unknown option '--max-jobs'.", 'See `ritmo-agent exec --help`.'],
    ['exec', "Missing required argument 'JOB.yaml'.", 'Say `ritmo-agent exec [options] <JOB.yaml>`.'],
    [
      'cancel a b',
      "Too many arguments for 'cancel'. Expected 1 argument but got 2.",
      'Say `ritmo-agent cancel [options] <JOB-ID>`.',
    ],
    [
      'vm prepare a.deb b.deb',
      "Too many arguments for 'vm'. Expected 2 arguments but got 3.",
      'Say `ritmo-agent vm [options] <prepare> [KERNEL-PACKAGE]`.',
    ],
    ['--name', "Option '--name <TEXT>' argument missing.", 'See `ritmo-agent start --help`.'],
  ])('%j is told to be wrong', (line, message, hint) => {
    expect(() => read(line)).toThrow(expect.objectContaining({ code: 'RITMO_USAGE', message, hint }));
  });
});
