import { isRoot } from './job/user.js';
import { remedyOf, unavailable } from './requirements.js';
import type { Job } from './job/job.js';

/** Runs one sandboxed command and looks at what it says of itself: facts, not the presence of programs. */
export async function trySandbox(job: Job): Promise<void> {
  let output = '';
  const started = await job
    .run(
      { argv: ['cat', '/proc/self/status'], readOnlyPaths: [] },
      {
        signal: AbortSignal.timeout(20_000),
        stop: { signal: 'SIGTERM', graceMs: 0 },
        output: { write: (_, bytes) => void (output += Buffer.from(bytes).toString()) },
      },
    )
    .catch((error: unknown) => {
      const said = error instanceof Error ? error.message : String(error);
      throw unavailable(`The sandbox cannot be had here. ${said}`, remedyOf(said), error);
    });
  if (started.status !== 'exited' || started.code !== 0) {
    const said = started.status === 'not-started' ? started.error.message : JSON.stringify(started);
    throw unavailable(`The sandbox was tried and did not work: ${said}`, remedyOf(said));
  }
  assertConfined(output, job.user.uid);
}

function assertConfined(status: string, uid: number): void {
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1];
  const wrong = [
    field('Uid')
      ?.split(/\s+/)
      .every((text) => text === String(uid)) === true
      ? undefined
      : 'another user than asked',
    isRoot() && field('Groups') !== '' && field('Groups') !== String(uid) ? 'groups of the agent' : undefined,
    field('NoNewPrivs') === '1' ? undefined : 'able to gain privileges',
    field('Seccomp') === '2' ? undefined : 'no system call filter',
    /^0+$/.test(field('CapEff') ?? '') ? undefined : 'capabilities',
    /^0+$/.test(field('CapBnd') ?? '') ? undefined : 'a bounding set of capabilities',
  ].filter((problem) => problem !== undefined);
  if (wrong.length === 0) return;
  throw unavailable(
    `A process in the sandbox has ${wrong.join(', ')}.`,
    'Please report this, with the versions of kernel and bubblewrap.',
  );
}
