import { type Code, RitmoError } from '../../errors.js';
import type { StepExit } from '../../executor/sandbox.js';

interface Sign {
  readonly words: RegExp;
  readonly code: Code;
  readonly retryable?: boolean;
  readonly hint?: string;
}

const signs: readonly Sign[] = [
  { words: /No space left on device|Disk quota exceeded/, code: 'RITMO_DISK_FULL' },
  {
    words: /transport '[^']*' not allowed/,
    code: 'RITMO_POLICY_REFUSED',
    hint: 'Repositories and submodules are fetched over https or ssh only.',
  },
  {
    words:
      /Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|returned error: 40[13]\b|Permission denied \(/,
    code: 'RITMO_SOURCE_AUTH',
  },
  {
    words: /Host key verification failed/,
    code: 'RITMO_SOURCE_FAILED',
    retryable: false,
    hint: 'The key of the host is not one that the worker knows; ask its operator.',
  },
  {
    words:
      /couldn't find remote ref|not our ref|unadvertised object|not a tree|unable to find remote helper|no such remote ref/i,
    code: 'RITMO_SOURCE_REF',
  },
  {
    words: /certificate|SSL|TLS/,
    code: 'RITMO_SOURCE_FAILED',
    retryable: false,
    hint: 'Where the host has an authority of its own, its certificate must be known to the worker.',
  },
  {
    words: /does not appear to be a git repository|repository '[^']*' not found|returned error: 404/,
    code: 'RITMO_SOURCE_FAILED',
    retryable: false,
    hint: 'Check the address; a private repository may hide until it gets credentials.',
  },
  { words: /dubious ownership|Permission denied/, code: 'RITMO_SOURCE_FAILED', retryable: false },
];

/** What the end of a git command means, from its own words; nothing where it succeeded. */
export function gitError(what: string, exit: StepExit, stderr: string): RitmoError | undefined {
  if (exit.status === 'cancelled') return new RitmoError('RITMO_CANCELLED', 'The checkout was stopped.');
  if (exit.status === 'not-started') return gitMissing(exit.error);
  if (exit.limit !== undefined) return new RitmoError('RITMO_LIMIT_HIT', `git ran into the limit of ${exit.limit}.`);
  if (exit.status === 'signalled')
    return new RitmoError('RITMO_SOURCE_FAILED', `git ${what} was killed by ${exit.signal}.`);
  if (exit.code === 0) return undefined;
  if (exit.code === 127) return gitMissing();
  const sign = signs.find(({ words }) => words.test(stderr));
  const message = `git ${what}: ${reasonOf(stderr) ?? `exit code ${exit.code}`}`;
  return new RitmoError(sign?.code ?? 'RITMO_SOURCE_FAILED', message, {
    ...(sign?.retryable === undefined ? {} : { retryable: sign.retryable }),
    ...(sign?.hint === undefined ? {} : { hint: sign.hint }),
  });
}

function gitMissing(cause?: RitmoError): RitmoError {
  return new RitmoError('RITMO_GIT_MISSING', 'git could not be started on the worker.', { cause });
}

/** The line that says it best: the first that is fatal, else the last one. */
function reasonOf(stderr: string): string | undefined {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const line =
    lines.find((entry) => entry.startsWith('fatal: ')) ??
    lines.find((entry) => entry.startsWith('error: ')) ??
    lines.at(-1);
  return line
    ?.replace(/^(?:fatal|error): /, '')
    .trim()
    .slice(0, 500);
}
