import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { JobInput } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import { startServer, type TestServer } from '../support/cluster.js';
import { dockerLab, type DockerLab, MortalWorker } from '../support/docker-worker.js';
import { namesIn } from '../support/witness.js';

/** Kills the agent once `killNow` says so, and sees what the one after it makes of the build. */
async function killed(
  job: (lab: DockerLab) => JobInput,
  killNow: (server: TestServer, id: string) => Promise<unknown>,
): Promise<void> {
  const lab = await dockerLab();
  const server = await startServer({ heartbeatMs: 500 });
  const worker = await MortalWorker.start(server, lab);
  const id = await server.submit(job(lab));
  await killNow(server, id);
  worker.program.kill('SIGKILL');
  await worker.program.ended;
  await worker.restart();
  const detail = await server.ended(id);
  expect(detail).toMatchObject({ state: 'errored', failure: { code: 'RITMO_AGENT_CRASHED', retryable: true } });
  expect(detail.attempts).toHaveLength(1);
  expect(await worker.drain()).toBe(0);
  for (const folder of ['journal', 'spool']) expect(await namesIn(join(worker.stateDir, folder))).toEqual([]);
  expect(await worker.residue(lab)).toEqual([]);
}

describe('a build whose agent is killed before its first step', () => {
  it('in the middle of a pull is said to have lost its agent, and leaves nothing', async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const asked = once(silent, 'connection');
      const reference = `127.0.0.1:${(silent.address() as AddressInfo).port}/tools/none:1`;
      await killed(
        () => ({ name: 'pulling', image: { reference }, steps: [{ run: 'echo never' }] }),
        () => asked,
      );
    } finally {
      silent.close();
    }
  });

  it('while its services are started is said to have lost its agent, and leaves no container and no network', async () => {
    await killed(
      ({ image }) => ({
        name: 'starting',
        image: { reference: image, pull: ['never'] },
        services: {
          slow: {
            image: { reference: image, pull: ['never'] },
            command: ['/bin/sh', '-c', 'sleep 600'],
            ready: { tcp: 7000, timeout: 600_000 },
          },
        },
        steps: [{ run: 'echo never' }],
      }),
      async (server, id) => {
        while (!(await server.notes(id)).includes('Service slow started.')) await delay(50);
      },
    );
  });
});
