import { RitmoError } from '@ritmo/agent-core/executor';
import { findProgram } from '@ritmo/host-linux';
import { capabilitiesOf, factsOf, type OpenedWay } from '../../opened.js';
import type { OpeningHost } from '../open-way.js';
import { tryArchives } from '../try-ways.js';
import { RemoteWay } from './remote-way.js';

/** Tries the way over nothing but the daemon's API; `why` says why there is no other. Rejects with RITMO_EXECUTOR_UNAVAILABLE. */
export async function openRemoteWay(opening: OpeningHost, why: string): Promise<OpenedWay> {
  const { daemon, options, host, sandboxes, memory, pool, images, users, tools, imageOf } = opening;
  const [bubblewrap] = ['bwrap', 'tar'].map((name) => {
    const program = findProgram(name);
    if (program !== undefined) return program;
    throw new RitmoError(
      'RITMO_EXECUTOR_UNAVAILABLE',
      `Without a shared file system the agent needs ${name} (${why}).`,
      {
        hint: `apt-get install ${name === 'bwrap' ? 'bubblewrap' : 'tar'}`,
      },
    );
  });
  await tryArchives({ docker: daemon.client, ownerId: host.ownerId, image: tools.image, folder: sandboxes });
  return {
    way: new RemoteWay({
      host: {
        docker: daemon.client,
        clock: host.clock,
        options,
        ownerId: host.ownerId,
        images,
        imageOf,
        users,
        pool,
        bubblewrap: bubblewrap ?? '',
        fillImage: tools.image,
      },
      sandboxes,
      memory,
    }),
    capabilities: capabilitiesOf(daemon, options, { bridges: false, disk: false, recover: false }),
    facts: {
      ...factsOf(daemon),
      way: 'remote',
      fifoWay: false,
      noFifoWay: why,
      diskLimit: false,
      secretsIn: "tmpfs on the daemon's host",
    },
    warnings: [
      `Jobs run the remote way, since ${why}: no networks, services or disk limits, and builds end with their agent. Run the agent on the host of the daemon, and name its socket: DOCKER_HOST=unix:///var/run/docker.sock.`,
    ],
  };
}
