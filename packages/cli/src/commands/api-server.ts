import { resolve } from 'node:path';
import type { Logger } from '@ritmo/agent-core/executor';
import type * as server from '@ritmo/api-server';
import { agentLog } from '../agent-log.js';
import { openBucket } from '../artifact-store.js';
import { assertStores } from '../check-store.js';
import { exitCodes } from '../exit-codes.js';
import { optionalPackage } from '../import-package.js';
import type { apiServerKeys } from '../options/groups.js';
import { defaultDataDir } from '../paths.js';
import { onStopSignals } from '../signals.js';
import type { Context } from './command.js';

type ServerPackage = typeof server;

/** Runs the reference API server until the first signal. */
export async function apiServer({ settings, io }: Context<(typeof apiServerKeys)[number]>): Promise<number> {
  const { startApiServer } = (await optionalPackage('@ritmo/api-server', 'This command')) as unknown as ServerPackage;
  const log = agentLog(settings.logLevel ?? 'info', io);
  let stop = (): void => undefined;
  const stopped = new Promise<void>((done) => {
    stop = done;
  });
  using _signals = onStopSignals([() => stop()]);
  const artifactBucket = await bucketOf(settings.artifactBucket, log);
  const server = await startApiServer({
    dataDir: resolve(settings.dataDir ?? defaultDataDir(io.env)),
    host: settings.listenHost,
    port: settings.listenPort,
    hostNames: settings.hostName,
    ...(artifactBucket === undefined ? {} : { artifactBucket }),
    log: {
      info: (message, fields = {}) => log.info(fields, message),
      warn: (message, fields = {}) => log.warn(fields, message),
      error: (message, fields = {}) => log.error(fields, message),
    },
  });
  const { userTokenFile, registrationTokenFile } = server.tokens;
  log.info({ userTokenFile, registrationTokenFile }, `the API server listens on ${server.url}`);
  log.info({}, `tokens: for people ${userTokenFile}, for workers ${registrationTokenFile}`);
  await stopped;
  log.info({}, 'the API server ends');
  await server.close();
  return exitCodes.ok;
}

async function bucketOf(address: string | undefined, log: Logger) {
  if (address === undefined) return undefined;
  const bucket = await openBucket(address);
  await assertStores(bucket, '--artifact-bucket', address, log);
  return bucket;
}
