import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { answers, findDockerd, startDaemon } from '../../packages/executor-docker/test/support/daemon.js';

/**
 * Vitest global set-up: the Docker daemon that DOCKER_HOST names or that listens at its usual place, else one that is
 * started for this run and stopped after it.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['DOCKER_HOST'] !== undefined || (await answers('/var/run/docker.sock'))) return undefined;
  const dockerd = findDockerd();
  if (dockerd === undefined) return undefined;
  const before = new Set(bridges());
  const daemon = await startDaemon(dockerd);
  process.env['DOCKER_HOST'] = `unix://${daemon.socket}`;
  return async () => {
    delete process.env['DOCKER_HOST'];
    await daemon[Symbol.asyncDispose]();
    // A daemon that was killed by a test leaves its bridges, whose addresses the next run would take again.
    for (const bridge of bridges()) if (!before.has(bridge)) execFileSync('ip', ['link', 'delete', bridge]);
  };
}

/** Bridges of job networks on this host, by name. */
function bridges(): readonly string[] {
  return readdirSync('/sys/class/net').filter((name) => name.startsWith('rtm'));
}
