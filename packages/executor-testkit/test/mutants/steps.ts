import { mkdir, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { signalProcess } from '../reference/processes.js';
import { Tree } from '../reference/tree.js';
import { type Mutant, withOutput, withRun, withTree } from './mutant.js';

class OnlyGroup extends Tree {
  override end(): Promise<number> {
    signalProcess(-this.pid, 'SIGKILL');
    return Promise.resolve(0);
  }
}

class LeaksWhenCancelled extends Tree {
  override end(why: 'exit' | 'cancel'): Promise<number> {
    return why === 'exit' ? super.end(why) : Promise.resolve(0);
  }
}

class KillsLater extends Tree {
  override end(): Promise<number> {
    setImmediate(() => setTimeout(() => void super.end('exit'), 3_000));
    return Promise.resolve(0);
  }
}

class SignalsOnlyMain extends Tree {
  override signal(signal: NodeJS.Signals): Promise<void> {
    signalProcess(this.pid, signal);
    return Promise.resolve();
  }
}

/** Mutants of how steps print, end and are stopped. */
export const stepMutants: readonly Mutant[] = [
  {
    wrong: 'loses the last bytes of a long output',
    Executor: withRun((run) => (step, scope) => {
      let size = 0;
      return run(step, {
        ...scope,
        output: {
          write: (stream, bytes) => {
            const room = Math.max(0, 200_000 - size);
            size += bytes.length;
            return room === 0 ? undefined : scope.output.write(stream, bytes.subarray(0, room));
          },
        },
      });
    }),
    caughtBy: ['output.last-words', 'output.backpressure'],
  },
  {
    wrong: 'writes after the step has settled',
    Executor: withRun((run) => async (step, scope) => {
      const exit = await run(step, scope);
      setImmediate(() => void scope.output.write('stdout', Buffer.from('late')));
      return exit;
    }),
    caughtBy: ['output.nothing-late'],
  },
  {
    wrong: 'ignores that the writer is full',
    Executor: withRun((run) => async (step, scope) => {
      const writes: Array<Promise<void>> = [];
      const write = (stream: 'stdout' | 'stderr', bytes: Uint8Array) =>
        void writes.push(Promise.resolve(scope.output.write(stream, Buffer.from(bytes))));
      const exit = await run(step, { ...scope, output: { write } });
      await Promise.all(writes);
      return exit;
    }),
    caughtBy: ['output.backpressure'],
  },
  {
    wrong: 'reads on into memory while the writer is slow',
    Executor: withRun((run) => async (step, scope) => {
      let queue = Promise.resolve();
      const write = (stream: 'stdout' | 'stderr', bytes: Uint8Array) => {
        const copy = Buffer.from(bytes);
        queue = queue.then(() => scope.output.write(stream, copy));
      };
      const exit = await run(step, { ...scope, output: { write } });
      await queue;
      return exit;
    }),
    caughtBy: ['output.backpressure'],
  },
  {
    wrong: 'settles before the writer has taken the last chunk',
    Executor: withOutput((output) => ({
      write: (stream, bytes) => {
        const writing = output.write(stream, bytes);
        return bytes.length > 100 ? writing : undefined;
      },
    })),
    caughtBy: ['output.settled-after-writes'],
  },
  {
    wrong: 'mixes stderr into stdout',
    Executor: withOutput((output) => ({ write: (_, bytes) => output.write('stdout', bytes) })),
    caughtBy: ['output.streams', 'output.order'],
  },
  {
    wrong: 'cuts exit codes to seven bits',
    Executor: withRun((run) => async (step, scope) => {
      const exit = await run(step, scope);
      return exit.status === 'exited' ? { ...exit, code: exit.code % 128 } : exit;
    }),
    caughtBy: ['exit.codes'],
  },
  {
    wrong: 'reports a signal as an exit code',
    Executor: withRun((run) => async (step, scope) => {
      const exit = await run(step, scope);
      if (exit.status !== 'signalled') return exit;
      return { status: 'exited', code: 128 + constants.signals[exit.signal as NodeJS.Signals] };
    }),
    caughtBy: ['exit.signal', 'hostile.kills-group'],
  },
  {
    wrong: 'resolves before the rest of the tree is dead',
    Executor: withTree(KillsLater),
    caughtBy: ['exit.stragglers', 'cancel.grandchild', 'hostile.daemons'],
  },
  {
    wrong: 'leaks the grandchildren of a cancelled step',
    Executor: withTree(LeaksWhenCancelled),
    caughtBy: ['cancel.grandchild'],
  },
  {
    wrong: 'follows the process group only, and so leaks daemons',
    Executor: withTree(OnlyGroup),
    caughtBy: ['hostile.daemons'],
  },
  {
    wrong: 'sends the stop signal to the main process only',
    Executor: withTree(SignalsOnlyMain),
    caughtBy: ['cancel.tree'],
  },
  {
    wrong: 'runs a step that was aborted before',
    Executor: withRun((run) => async (step, scope) => {
      if (!scope.signal.aborted) return run(step, scope);
      await run(step, { ...scope, signal: new AbortController().signal });
      return run(step, scope);
    }),
    caughtBy: ['cancel.before-start'],
  },
  {
    wrong: 'gives a cancelled step its own grace rather than that of the cancel',
    Executor: withRun((run) => (step, scope) => {
      const controller = new AbortController();
      const stop = () => controller.abort({ ...scope.signal.reason, graceMs: undefined });
      if (scope.signal.aborted) stop();
      scope.signal.addEventListener('abort', stop, { once: true });
      return run(step, { ...scope, signal: controller.signal });
    }),
    caughtBy: ['cancel.grace'],
  },
  {
    wrong: 'passes the environment of the agent to steps',
    Executor: withRun((run) => (step, scope) => {
      const { PATH: _path, HOME: _home, TMPDIR: _tmpdir, ...agent } = process.env;
      return run({ ...step, env: { ...(agent as Record<string, string>), ...step.env } }, scope);
    }),
    caughtBy: ['files.env'],
  },
  {
    wrong: 'empties TMPDIR before each step',
    Executor: withRun((run, home) => async (step, scope) => {
      await rm(home.path('tmp'), { recursive: true });
      await mkdir(home.path('tmp'));
      return run(step, scope);
    }),
    caughtBy: ['files.lasting', 'prepare.parallel'],
  },
];
