import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { Lines } from './lines.js';

export interface ProgramEnd {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
}

/** A program that a test has started; it is killed at the end of the test if it still runs. */
export interface Program {
  readonly pid: number;
  readonly stdout: Lines;
  readonly stderr: Lines;
  /** Settles when it has ended and all its output is in; never rejects. */
  readonly ended: Promise<ProgramEnd>;
  kill(signal?: NodeJS.Signals): void;
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** All of its environment but PATH, HOME and TMPDIR, which are ours where they are not named here. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Starts a program with an environment that says all of it, and keeps what it prints. */
export function startProgram(argv: readonly [string, ...string[]], options: ProgramOptions = {}): Program {
  const [file, ...args] = argv;
  const child = execa(file, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    env: { ...inherited(), ...options.env },
    extendEnv: false,
    buffer: false,
    reject: false,
    forceKillAfterDelay: false,
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  if (child.pid === undefined) throw new Error(`${file} cannot be started`);
  const ended = child.then(({ exitCode, signal }) => ({ exitCode, signal }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { pid: child.pid, stdout, stderr, ended, kill: (signal = 'SIGTERM') => void child.kill(signal) };
}

/** Starts a program, waits for its end, and gives all that it printed. */
export async function runProgram(
  argv: readonly [string, ...string[]],
  options: ProgramOptions = {},
): Promise<ProgramEnd & { readonly stdout: string; readonly stderr: string }> {
  const program = startProgram(argv, options);
  const end = await program.ended;
  return { ...end, stdout: program.stdout.text, stderr: program.stderr.text };
}

function inherited(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function collect(stream: NodeJS.ReadableStream): Lines {
  const lines = new Lines();
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => lines.push(text));
  stream.once('end', () => lines.end());
  return lines;
}
