/** Settings of every command that talks to the API server. */
export const connectionKeys = [
  'config',
  'apiServer',
  'tokenFile',
  'dataDir',
  'insecure',
  'caFile',
  'certFile',
  'keyFile',
] as const;

/** Settings of the executors, and of what builds may do on this host. */
export const executorKeys = [
  'isolation',
  'processIsolation',
  'executorOptions',
  'allowHostNetwork',
  'bind',
  'toolPath',
  'maxLogSize',
  'stateDir',
] as const;

/** Settings of the store of caches. */
export const cacheKeys = ['cacheStore', 'cacheMaxSize', 'cacheMaxAge', 'cacheMinFree'] as const;

export const startKeys = [
  ...connectionKeys,
  'name',
  'maxConcurrent',
  'labels',
  'logLevel',
  ...executorKeys,
  'minFreeDisk',
  'allowLocalSources',
  'secretProvider',
  'allowSecret',
  'drainTimeout',
  'maxJobs',
  'exitAfterIdle',
  'healthAddr',
  'artifactStore',
  ...cacheKeys,
] as const;

export const execKeys = [
  'config',
  ...executorKeys,
  'secret',
  'secretFile',
  'artifactsDir',
  ...cacheKeys,
  'logLevel',
  'json',
] as const;
export const submitKeys = [...connectionKeys, 'follow', 'project', 'secret', 'secretFile', 'json'] as const;
export const statusKeys = [...connectionKeys, 'healthAddr', 'json'] as const;
export const jobKeys = [...connectionKeys, 'json'] as const;
export const detachKeys = ['config', 'stateDir'] as const;
export const artifactsKeys = [...connectionKeys, 'artifactsDir', 'json'] as const;
export const logsKeys = [...connectionKeys, 'follow', 'logAttempt', 'json'] as const;
export const doctorKeys = [...connectionKeys, ...executorKeys, 'artifactStore', 'json'] as const;
export const vmKeys = ['config', ...executorKeys] as const;
export const apiServerKeys = [
  'config',
  'dataDir',
  'artifactBucket',
  'listenHost',
  'listenPort',
  'hostName',
  'logLevel',
] as const;
