import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { errnoOf } from '@ritmo/host-linux';
import { execa, type Options } from 'execa';

/**
 * A process to start. Nothing of the agent's environment is handed on. It says in its report that it is there, waits for
 * a line on its stdin before it runs anything of the job, and learns what that is from a step file at descriptor 4.
 */
export interface StartSpec {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Taken on, without further groups, before the program is loaded. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Files that the process may write to, opened by us: descriptors from 6 on. */
  readonly writable?: readonly string[];
}

/** Descriptors of ours that the process gets: 1, 3, 4 and 5, which tells of the sandbox. 2 is the report. */
export interface StartDescriptors {
  readonly stdout: number;
  readonly stderr: number;
  readonly stepFile: number;
  readonly status: number;
}

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'failed'; readonly code: string; readonly error: unknown };

export interface Started {
  /** Undefined when nothing was started. */
  readonly pid: number | undefined;
  readonly report: Readable | undefined;
  /** Lets it go on. */
  release(): void;
  /** Lets it end, having run nothing. */
  dismiss(): void;
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>;
}

/** Starts a process at the head of a group of its own, in /. */
export function start(spec: StartSpec, descriptors: StartDescriptors): Started {
  const opened: number[] = [];
  try {
    for (const path of spec.writable ?? []) opened.push(openSync(path, 'w'));
    return launch(spec, descriptors, opened);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function launch(spec: StartSpec, descriptors: StartDescriptors, opened: readonly number[]): Started {
  const options: Options = {
    cwd: '/',
    env: { ...spec.env },
    extendEnv: false,
    ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
    encoding: 'buffer',
    stdio: stdioOf(descriptors, opened),
  };
  const child = execa(spec.file, [...spec.args], options);
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'signalled', signal });
    });
    child.then(
      (result) => resolve({ kind: 'failed', code: result.code ?? 'UNKNOWN', error: result.cause }),
      (error: unknown) => resolve({ kind: 'failed', code: errnoOf(error) ?? 'UNKNOWN', error }),
    );
  });
  const { stdin } = child;
  // One that has died meanwhile says so by its end.
  stdin?.on('error', () => undefined);
  return {
    pid: child.pid,
    report: child.stderr ?? undefined,
    release: () => void stdin?.end('\n'),
    dismiss: () => void stdin?.end(),
    ended,
  };
}

type Stdio = Extract<NonNullable<Options['stdio']>, readonly unknown[]>;

function stdioOf({ stdout, stderr, stepFile, status }: StartDescriptors, opened: readonly number[]): Stdio {
  return ['pipe', stdout, 'pipe', stderr, stepFile, status, ...opened] as Stdio;
}
