import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Artifacts } from './artifacts/artifacts.js';
import { BlobStore } from './artifacts/blob-store.js';
import { BucketFiles } from './artifacts/bucket-files.js';
import { type DataFolder, openDataFolder, readSecretKey, readTokens } from './data-folder.js';
import { createApp } from './http/app.js';
import { Authenticator } from './http/auth.js';
import type { Services } from './http/services.js';
import { Claims } from './jobs/claims.js';
import { LeaseTable } from './jobs/leases.js';
import { JobLifecycle, type LifecycleListener } from './jobs/lifecycle.js';
import { JobQueue } from './jobs/queue.js';
import { JobWatch } from './jobs/watch.js';
import { LogStore } from './logs/log-store.js';
import { LogReader } from './logs/reader.js';
import { Metrics } from './metrics.js';
import { type ApiServerOptions, type Settings, settingsOf } from './options.js';
import { ApiError } from './errors.js';
import { ArtifactStore } from './store/artifacts.js';
import { AttemptStore } from './store/attempts.js';
import { Database } from './store/database.js';
import { JobStore } from './store/jobs.js';
import { lockFolder } from './store/lock.js';
import { SecretStore } from './store/secrets.js';
import { TokenStore } from './store/tokens.js';
import { WorkerStore } from './store/workers.js';
import { startSweeps } from './sweeps.js';
import { WorkerDirectory } from './workers/directory.js';
import { WorkerEvents } from './workers/events.js';
import { WorkerRegistry } from './workers/registry.js';

/** How often connections are looked at whose head has not come, in milliseconds. */
const headCheckMs = 5000;
/** Answers under way get so long when the server closes. */
const closeGraceMs = 2000;

/** A server that listens. */
export interface ApiServer {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The one that it listens on, also where any was asked for. */
  readonly port: number;
  /** Files that hold the tokens of people and of new workers, readable by their owner alone. */
  readonly tokens: { readonly userTokenFile: string; readonly registrationTokenFile: string };
  /** Ends long polls and streams, lets other answers leave, and frees the data folder. */
  close(): Promise<void>;
}

/**
 * Starts the reference API server. Throws RITMO_USAGE for wrong options, RITMO_STATE_LOCKED when another server uses
 * the data folder, RITMO_STATE_UNREADABLE when it cannot be used, RITMO_UNAVAILABLE when the address cannot be had.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const settings = settingsOf(options);
  const folder = openDataFolder(settings.dataDir);
  const unlock = lockFolder(folder.lock, settings.dataDir);
  const closing = new AbortController();
  // Every open stream listens to it.
  setMaxListeners(0, closing.signal);
  let db: Database | undefined;
  const free = () => {
    db?.close();
    unlock();
  };
  try {
    db = new Database(folder.database);
    const services = await createServices(settings, folder, db, closing.signal);
    const authenticator = new Authenticator(readTokens(folder), services.tokens);
    const http = createAdaptorServer({
      fetch: createApp(services, authenticator).fetch,
      overrideGlobalObjects: false,
      // Uploads may take hours: a body that stands still is cut off by its reader instead.
      serverOptions: {
        requestTimeout: 0,
        // Without its own bound, that of the request holds for the head too.
        headersTimeout: settings.headMs,
        connectionsCheckingInterval: Math.min(settings.headMs, headCheckMs),
        keepAliveTimeout: 65_000,
      },
    }) as Server;
    const port = await listen(http, settings);
    const stopSweeps = startSweeps(services);
    settings.log.info('api server listens', { host: settings.host, port, dataDir: settings.dataDir });
    let closed: Promise<void> | undefined;
    const close = async () => {
      stopSweeps();
      closing.abort();
      await closeHttp(http);
      await services.logs.close();
      await settings.artifactBucket?.[Symbol.asyncDispose]();
      free();
      settings.log.info('api server closed', { port });
    };
    return {
      url: `http://${urlHost(settings.host)}:${port}`,
      port,
      tokens: { userTokenFile: folder.userToken, registrationTokenFile: folder.registrationToken },
      close: () => (closed ??= close()),
    };
  } catch (error) {
    free();
    throw error;
  }
}

async function createServices(
  settings: Settings,
  folder: DataFolder,
  db: Database,
  closing: AbortSignal,
): Promise<Services> {
  const { clock } = settings;
  const jobs = new JobStore(db);
  const attempts = new AttemptStore(db);
  const tokens = new TokenStore(db);
  const workers = new WorkerStore(db);
  const artifactRows = new ArtifactStore(db);
  const secrets = new SecretStore(db, readSecretKey(folder));
  const blobs = await BlobStore.open(folder.artifacts, (name) => artifactRows.hasUpload(name));
  const logs = new LogStore(folder.logs, attempts);
  const queue = new JobQueue(clock);
  const leases = new LeaseTable(clock, settings);
  const directory = new WorkerDirectory(clock, settings.leaseTtlMs);
  const events = new WorkerEvents(workers);
  const metrics = new Metrics();
  const watch = new JobWatch();
  const claims = new Claims({
    settings,
    db,
    jobs,
    attempts,
    tokens,
    secrets,
    queue,
    leases,
    offered: (id) => watch.notify(id),
  });
  const listener: LifecycleListener = {
    queued: (entry) => claims.jobQueued(entry),
    submitted: () => metrics.submitted(),
    requeued: (row, why) => {
      metrics.requeued(why);
      settings.log.info('job queued again', { job: row.id, jobName: row.name, epoch: row.epoch, why });
    },
    ended: (row) => {
      metrics.ended(row.state);
      settings.log.info('job ended', { job: row.id, jobName: row.name, epoch: row.epoch, state: row.state });
    },
    attemptOver: (jobId, epoch) => {
      logs.wake(jobId, epoch);
      watch.notify(jobId);
    },
    cancelling: (row, order) => {
      if (row.worker_id !== null && directory.get(row.worker_id))
        events.publish(row.worker_id, { type: 'cancel', jobId: row.id, epoch: row.epoch, ...order });
    },
  };
  const lifecycle = new JobLifecycle({ settings, db, jobs, attempts, secrets, queue, leases, listener });
  const registry = new WorkerRegistry({
    settings,
    db,
    workers,
    jobs,
    tokens,
    attempts,
    directory,
    events,
    leases,
    lifecycle,
    claims,
  });
  const bucket = settings.artifactBucket && new BucketFiles(settings.artifactBucket, artifactRows);
  const artifacts = new Artifacts({ settings, db, artifacts: artifactRows, blobs, lifecycle, bucket });
  const logReader = new LogReader({ logs, jobs, leases, watch });
  registry.load();
  lifecycle.load();
  const base = {
    settings,
    db,
    jobs,
    attempts,
    tokens,
    secrets,
    artifactRows,
    artifacts,
    blobs,
    logs,
    logReader,
    queue,
    leases,
  };
  return { ...base, lifecycle, claims, directory, registry, events, metrics, openApi: readOpenApi(), closing };
}

function readOpenApi(): string {
  return readFileSync(createRequire(import.meta.url).resolve('@ritmo/protocol/openapi.json'), 'utf8');
}

function listen(http: Server, settings: Settings): Promise<number> {
  const { host, port } = settings;
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(
        new ApiError(
          'RITMO_UNAVAILABLE',
          `The server cannot listen on ${host}:${port}: ${taken ? 'something else does' : error.message}.`,
          {
            hint: taken ? 'Stop what listens there, or choose another port.' : 'Check the address.',
            cause: error,
          },
        ),
      );
    });
    http.listen(port, host, () => resolve((http.address() as AddressInfo).port));
  });
}

async function closeHttp(http: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()));
  const force = setTimeout(() => http.closeAllConnections(), closeGraceMs);
  const idle = setInterval(() => http.closeIdleConnections(), 20);
  await closed;
  clearTimeout(force);
  clearInterval(idle);
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
