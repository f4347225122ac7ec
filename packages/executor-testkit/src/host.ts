import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutorHost, Logger } from '@ritmo/agent-core/executor';

const silent: Logger = {
  child: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** A host as the agent would lend it, with a state folder that is removed when the host is disposed. */
export async function makeHost(ownerId: string): Promise<{ host: ExecutorHost } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'ritmo-testkit-'));
  // As core makes it: others may pass through, since a job may run as another user than the agent.
  await chmod(root, 0o711);
  const stateDir = join(root, 'state');
  await mkdir(stateDir);
  await chmod(stateDir, 0o711);
  return {
    host: {
      ownerId,
      stateDir,
      log: silent,
      clock: {
        now: () => Date.now(),
        monotonic: () => performance.now(),
        sleep: async (ms, signal) => {
          try {
            await sleep(ms, undefined, signal === undefined ? {} : { signal });
          } catch (error) {
            throw signal?.aborted === true ? signal.reason : error;
          }
        },
      },
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}
