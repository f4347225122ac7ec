import { isAbsolute, resolve } from 'node:path';
import {
  Agent,
  apiArtifactStore,
  type ArtifactStore,
  folderArtifactStore,
  HttpTransport,
  type Transport,
} from '@ritmo/agent-core';
import { agentLog } from '../agent-log.js';
import { readTls, tokenFor } from '../api/connect.js';
import { exitCodes } from '../exit-codes.js';
import { executorOptions, isolationNames } from '../isolation/executor-options.js';
import { bindIsolations } from '../isolation/load.js';
import type { startKeys } from '../options/groups.js';
import { defaultStateDir } from '../paths.js';
import { secretSource } from '../secret-providers.js';
import { onStopSignals } from '../signals.js';
import { version } from '../version.js';
import type { Context } from './command.js';

/** Of the disk of the state directory, in bytes. */
const minFreeDisk = 1024 ** 3;

/** Runs a worker until it is told to stop: the first signal drains, the second cancels, the third ends it at once. */
export async function start({ settings, io }: Context<(typeof startKeys)[number]>): Promise<number> {
  const log = agentLog(settings.logLevel ?? 'info', io);
  const executors = await bindIsolations(isolationNames(settings), executorOptions(settings));
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
  const agent = new Agent({
    transport,
    executors,
    labels: settings.labels,
    maxConcurrent: settings.maxConcurrent,
    artifacts: artifactStore(settings.artifactStore, transport),
    stateDir: resolve(settings.stateDir ?? defaultStateDir(io.env)),
    policy: {
      allowLocalSources: settings.allowLocalSources,
      minFreeDiskBytes: settings.minFreeDisk ?? minFreeDisk,
      ...(settings.maxLogSize === undefined ? {} : { maxLogBytes: settings.maxLogSize }),
    },
    secrets,
    shutdown: settings.drainTimeout === undefined ? {} : { drainMs: settings.drainTimeout },
    log,
    version,
    ...(settings.name === undefined ? {} : { name: settings.name }),
  });

  let interrupted = false;
  agent.on('job:cancelling', ({ reason }) => {
    if (reason === 'agent-stopping') interrupted = true;
  });
  using _signals = onStopSignals([
    (signal) => {
      log.info({ signal }, 'draining: no new jobs, running builds finish; once more cancels them');
      // Its end is that of `done`.
      agent.drain().catch(() => undefined);
    },
    (signal) => {
      log.warn({ signal }, 'cancelling the running builds; once more ends at once');
      agent.stop().catch(() => undefined);
    },
  ]);
  const started = agent.start().then(
    () => log.info({ url: transport.address }, 'the worker takes jobs'),
    (error: unknown) => {
      // A signal during the start is no failure.
      if (agent.state !== 'stopped' && agent.state !== 'stopping' && agent.state !== 'draining') throw error;
    },
  );
  await Promise.all([started, agent.done]);
  return interrupted ? exitCodes.interrupted : exitCodes.ok;
}

function artifactStore(place: string, transport: Transport): ArtifactStore {
  if (place === 'api') return apiArtifactStore(transport);
  return folderArtifactStore(isAbsolute(place) ? place : resolve(place));
}
