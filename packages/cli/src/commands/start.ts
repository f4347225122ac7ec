import { resolve } from 'node:path';
import { Agent, HttpTransport } from '@ritmo/agent-core';
import { agentLog } from '../agent-log.js';
import { openArtifactStore } from '../artifact-store.js';
import { readTls, tokenFor } from '../api/connect.js';
import { openCacheStore } from '../cache-store.js';
import { assertStores } from '../check-store.js';
import { exitCodes } from '../exit-codes.js';
import { bindChosen } from '../isolation/bind-chosen.js';
import type { Logger } from '@ritmo/agent-core/executor';
import type { startKeys } from '../options/groups.js';
import type { HostPort } from '../options/kinds.js';
import { defaultStateDir } from '../paths.js';
import { secretSource } from '../secret-providers.js';
import { onStopSignals } from '../signals.js';
import { systemdNotifier } from '../systemd.js';
import { version } from '../version.js';
import type { Context } from './command.js';

/** Of the disk of the state directory, in bytes. */
const minFreeDisk = 1024 ** 3;

/**
 * Runs a worker until it is told to stop: the first signal drains, the second cancels, the third ends it at once.
 * SIGHUP reads labels, slots and log level anew; SIGUSR2 leaves builds that can go on without it to the next agent.
 */
export async function start({ settings, io, reread }: Context<(typeof startKeys)[number]>): Promise<number> {
  const log = agentLog(settings.logLevel ?? 'info', io);
  const executors = await bindChosen(settings);
  const secrets = secretSource(settings);
  const tls = await readTls(settings);
  // Read before anything is begun, and again at each registration: the file may have been renewed.
  await tokenFor(settings, io.env, 'registration');
  const transport = new HttpTransport({
    apiServer: settings.apiServer,
    registrationToken: () => tokenFor(settings, io.env, 'registration'),
    insecure: settings.insecure,
    log,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  });
  const artifacts = await openArtifactStore(settings.artifactStore, transport);
  await assertStores(artifacts, '--artifact-store', settings.artifactStore, log);
  const stateDir = resolve(settings.stateDir ?? defaultStateDir(io.env));
  const caches = await openCacheStore(settings, stateDir);
  const agent = new Agent({
    transport,
    executors,
    labels: settings.labels,
    maxConcurrent: settings.maxConcurrent,
    artifacts,
    ...(caches === undefined ? {} : { caches }),
    stateDir,
    policy: {
      allowLocalSources: settings.allowLocalSources,
      minFreeDiskBytes: settings.minFreeDisk ?? minFreeDisk,
      ...(settings.maxLogSize === undefined ? {} : { maxLogBytes: settings.maxLogSize }),
    },
    secrets,
    shutdown: settings.drainTimeout === undefined ? {} : { drainMs: settings.drainTimeout },
    until: {
      ...(settings.maxJobs === undefined ? {} : { jobs: settings.maxJobs }),
      ...(settings.exitAfterIdle === undefined ? {} : { idleMs: settings.exitAfterIdle }),
    },
    health: { minFreeDiskBytes: settings.minFreeDisk ?? minFreeDisk },
    log,
    version,
    ...(settings.name === undefined ? {} : { name: settings.name }),
  });

  let interrupted = false;
  agent.on('job:cancelling', ({ reason }) => {
    if (reason === 'agent-stopping') interrupted = true;
  });
  agent.on('agent:drained', ({ finished, cancelled, left }) => {
    const kept = left.length === 0 ? '' : `, ${builds(left.length)} left to the next agent`;
    const said = `${builds(finished.length)} finished, ${builds(cancelled.length)} cancelled${kept}`;
    log.info({ finished, cancelled, left }, `the worker has ended: ${said} since it was told to stop`);
  });
  const reload = async () => {
    const { labels, maxConcurrent, logLevel } = await reread();
    log.setLevel(logLevel ?? 'info');
    await agent.update({ labels, maxConcurrent });
    log.info({ labels, maxConcurrent }, 'labels, slots and log level were read anew');
  };
  const systemd = systemdNotifier(agent, io.env, log);
  using _signals = onStopSignals(
    [
      (signal) => {
        log.info({ signal }, 'draining: no new jobs, running builds finish; once more cancels them');
        // Its end is that of `done`.
        agent.drain().catch(() => undefined);
      },
      (signal) => {
        log.warn({ signal }, 'cancelling the running builds; once more ends at once');
        agent.stop().catch(() => undefined);
      },
    ],
    {
      detach: () => {
        log.info({}, 'detaching: no new jobs; builds that can go on without this agent are left to the next one');
        agent.detach().catch(() => undefined);
      },
      reload: () =>
        void started
          .then(reload)
          .catch((error: unknown) => log.error({ err: error }, 'the settings stay as they were')),
    },
  );
  const started = agent.start().then(
    () => log.info({ url: transport.address }, 'the worker takes jobs'),
    (error: unknown) => {
      // A signal during the start is no failure.
      if (agent.state !== 'stopped' && agent.state !== 'stopping' && agent.state !== 'draining') throw error;
    },
  );
  const ended = Promise.all([started, agent.done]);
  // It may fail before anybody waits for it below.
  ended.catch(() => undefined);
  await using health = await healthServer(agent, settings.healthAddr, log);
  if (health) log.info({ url: health.url }, `health and metrics are at ${health.url}`);
  try {
    await ended;
  } finally {
    await systemd?.[Symbol.asyncDispose]();
  }
  return interrupted ? exitCodes.interrupted : exitCodes.ok;
}

const builds = (count: number) => `${count} ${count === 1 ? 'build' : 'builds'}`;

/** Listens from the start on, so that probes see the worker start; its code is loaded only where it is asked for. */
async function healthServer(agent: Agent, address: HostPort | undefined, log: Logger) {
  if (address === undefined) return undefined;
  const { startHealthServer } = await import('@ritmo/agent-core/health');
  try {
    return await startHealthServer(agent, { ...address, log });
  } catch (error) {
    await agent.stop();
    throw error;
  }
}
