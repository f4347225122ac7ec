import { answers, findDockerd, startDaemon } from '../../packages/executor-docker/test/support/daemon.js';

/**
 * Vitest global set-up: the Docker daemon that DOCKER_HOST names or that listens at its usual place, else one that is
 * started for this run and stopped after it.
 */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['DOCKER_HOST'] !== undefined || (await answers('/var/run/docker.sock'))) return undefined;
  const dockerd = findDockerd();
  if (dockerd === undefined) return undefined;
  const daemon = await startDaemon(dockerd, 'host');
  process.env['DOCKER_HOST'] = `unix://${daemon.socket}`;
  return async () => {
    delete process.env['DOCKER_HOST'];
    await daemon[Symbol.asyncDispose]();
  };
}
