import type { Readable } from 'node:stream';
import { errnoOf } from '@ritmo/host-linux';
import { execa, type Options } from 'execa';

/** A process to start. Nothing of the agent's environment is handed on. */
export interface StartSpec {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Taken on, without further groups, before the program is loaded. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Descriptor 4 gives these bytes. */
  readonly input?: Uint8Array;
  /** Whether descriptor 5 is read: `Started.status`. */
  readonly status: boolean;
}

/** Descriptors of ours that the process gets: 1 and 3. 2 is the report. */
export interface StartDescriptors {
  readonly stdout: number;
  readonly stderr: number;
}

export type ProcessEnd =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signalled'; readonly signal: string }
  | { readonly kind: 'failed'; readonly code: string; readonly error: unknown };

export interface Started {
  /** Undefined when nothing was started. */
  readonly pid: number | undefined;
  readonly report: Readable | undefined;
  readonly status: Readable | undefined;
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>;
}

/** Starts a process at the head of a group of its own, in /, with stdin at its end. */
export function start(spec: StartSpec, descriptors: StartDescriptors): Started {
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
    stdio: stdioOf(spec, descriptors),
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
  return {
    pid: child.pid,
    report: child.stderr ?? undefined,
    status: spec.status ? ((child.stdio as unknown as Array<Readable | null>)[5] ?? undefined) : undefined,
    ended,
  };
}

type Stdio = Extract<NonNullable<Options['stdio']>, readonly unknown[]>;

function stdioOf(spec: StartSpec, { stdout, stderr }: StartDescriptors): Stdio {
  return ['ignore', stdout, 'pipe', stderr, spec.input ?? 'ignore', spec.status ? 'pipe' : 'ignore'] as Stdio;
}
