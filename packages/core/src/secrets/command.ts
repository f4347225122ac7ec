import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RitmoError } from '../errors.js';
import type { SecretProvider } from './provider.js';
import { utf8 } from './providers.js';

const longestOutput = 131_072 + 1;
/** Exit code by which the program says that it has no such secret. */
const noSuchSecret = 3;

/**
 * A program that is run with the name as its last argument and prints the value: no shell, and nothing secret on its
 * command line. 0 gives the value, 3 says that there is none, all else is a failure. The newline at the end of a
 * single line is no part of the value. What it prints on stderr is not kept, since it may hold the value.
 */
export function commandSecrets(argv: readonly [string, ...string[]]): SecretProvider {
  const [program, ...args] = argv;
  return {
    name: `command ${program}`,
    async get({ name, jobId, jobName }, signal) {
      const child = spawn(program, [...args, name], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, RITMO_JOB_ID: jobId, RITMO_JOB_NAME: jobName },
      });
      const kill = (): void => void child.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      try {
        const [bytes, code] = await Promise.all([output(child.stdout, kill), exitCode(child)]);
        if (signal.aborted) throw signal.reason;
        if (code === noSuchSecret) return undefined;
        if (bytes === undefined) throw new RitmoError('RITMO_USAGE', 'It printed more than 128 KiB.');
        if (code !== 0) throw new RitmoError('RITMO_USAGE', `It ended with ${code}.`);
        return valueOf(utf8(bytes));
      } finally {
        signal.removeEventListener('abort', kill);
      }
    },
  };
}

async function exitCode(child: ReturnType<typeof spawn>): Promise<number | string> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return code ?? signal ?? 'nothing';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new RitmoError('RITMO_USAGE', `It cannot be started (${code ?? 'unknown error'}).`);
  }
}

/** All that comes, or undefined where it is too much. */
async function output(stream: AsyncIterable<Buffer>, stop: () => void): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > longestOutput) {
      stop();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A key of several lines keeps its last newline, which ssh wants. */
function valueOf(text: string): string {
  return /^[^\n]*\n$/.test(text) ? text.replace(/\r?\n$/, '') : text;
}
